/** The rows, or what stands in their place. */

import { useStore } from "../state/store";
import { useSession } from "../state/session";
import type { Results as Model } from "../state/model";
import { BadQuery, FirstUse, Nothing, NothingYet } from "./Empty";
import { RowList } from "./RowList";
import { useCountdown, useDelayed } from "./timing";

const QUIET_MS = 150;
const SKELETON_ROWS = 24;

export function Results() {
  const session = useSession();
  const results = useStore(session.model.results, (r) => r);
  const slow = useDelayed(results.phase === "loading" && results.rows.length === 0, QUIET_MS);
  const failed = results.phase !== "ready" && results.error && !results.error.isQueryError;
  return (
    <div class="results">
      {failed ? <Failure results={results} /> : <ServerState />}
      {results.rows.length > 0 ? <RowList /> : <InPlace results={results} slow={slow} />}
    </div>
  );
}

function InPlace({ results, slow }: { results: Model; slow: boolean }) {
  if (results.store?.events === 0) return <FirstUse />;
  if (results.phase === "ready" && results.seeking !== "no") return <NothingYet error={results.moreError} />;
  const still = results.phase === "loading" && results.store !== undefined && !slow;
  if (results.phase === "ready" || still) return <Nothing store={results.store} elsewhere={results.elsewhere} />;
  if (results.error?.isQueryError) return <BadQuery />;
  if (slow) return <Skeleton />;
  return <div class="list" id="rows" />;
}

function Skeleton() {
  return (
    <div class="list skeleton" id="rows" aria-busy="true" aria-label="Loading">
      {Array.from({ length: SKELETON_ROWS }, (_, i) => (
        <div key={i} class={`skeleton-row w${i % 5}`} />
      ))}
    </div>
  );
}

/** Told by asking now and then; while a search fails or live is on, those tell it. */
function ServerState() {
  const session = useSession();
  const server = useStore(session.model.ui, (u) => u.server);
  const live = useStore(session.model.view, (v) => v.live);
  if (server === "replaying") return <Replaying />;
  if (server === "away" && !live) {
    return (
      <div class="failure" role="status">
        <strong>No answer from {location.host}</strong>
        <span>What is below was read before. This page notices when the server is back.</span>
      </div>
    );
  }
  if (server === "full") {
    return (
      <div class="failure" role="status">
        <strong>The server has no room left</strong>
        <span>New events are refused until there is; what is stored can be searched.</span>
      </div>
    );
  }
  return null;
}

function Replaying() {
  return (
    <div class="failure calm" role="status">
      <span class="dot" aria-hidden="true" />
      <strong>Indexing what was written before the restart…</strong>
      <span>The page goes on by itself.</span>
    </div>
  );
}

function Failure({ results }: { results: Model }) {
  const session = useSession();
  const { error, retryAt } = results;
  const seconds = useCountdown(retryAt);
  if (!error) return null;
  if (error.code === "replaying") return <Replaying />;
  const title = error.code === "unreachable" ? `No answer from ${location.host}` : error.message;
  return (
    <div class="failure" role="alert">
      <div class="failure-text">
        <strong>{title}</strong>
        {title !== error.message && <span>{error.message}</span>}
        {error.hint && <span>{error.hint}</span>}
      </div>
      {retryAt !== undefined && seconds > 0 && <span class="failure-wait">again in {seconds} s</span>}
      {error.status === 401 ? (
        <button type="button" class="button" onClick={() => session.model.ui.set({ tokenAsked: true })}>
          Enter token
        </button>
      ) : (
        <button type="button" class="button" onClick={() => session.run()}>
          Try now
        </button>
      )}
    </div>
  );
}
