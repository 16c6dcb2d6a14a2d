/** What the rows are: exact counts, how long it took, what is missing. Nothing is cut silently. */

import { formatCount, plural } from "../state/format";
import { correctionIn, renameField } from "../state/querytext";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import type { Live, Results } from "../state/model";
import { NEXT_PAGE_CURES } from "../state/searching";
import { AlertIcon, WrapIcon } from "./icons";
import { useCountdown, useDelayed } from "./timing";

const QUIET_MS = 150;

export function ResultBar() {
  const session = useSession();
  const results = useStore(session.model.results, (r) => r);
  const live = useStore(session.model.live, (l) => l);
  const view = useStore(session.model.view, (v) => v);
  const wrap = useStore(session.model.ui, (u) => u.wrap);
  const slow = useDelayed(results.phase === "loading", QUIET_MS);
  // A search that is quick, as most are while someone types, does not make the bar flicker.
  const quick = results.phase === "loading" && !slow && results.rows.length > 0;
  // While older pages are being searched, that one of them came without them is no news.
  const seeking = results.seeking === "running";
  const warnings = results.warnings.filter((warning) => !seeking || !NEXT_PAGE_CURES.test(warning));
  const shown: Results = quick ? { ...results, phase: "ready" } : results;
  return (
    <div class="result-bar">
      <div class={`progress ${slow || results.loadingMore || results.seeking === "running" ? "on" : ""}`} aria-hidden="true" />
      <p class="counts" role="status">
        {countText(shown)}
      </p>
      {shown.phase === "ready" && !seeking && <span class="took">{formatCount(results.tookMs)} ms</span>}
      {view.live && <LiveState live={live} />}
      {results.partial && !seeking && (
        <span class="flag" title="The server stopped before it had read everything">
          <AlertIcon /> partial result
        </span>
      )}
      <span class="grow" />
      <button
        type="button"
        class="button quiet small"
        title="Which clock times are shown in"
        onClick={() => session.navigate({ utc: !view.utc }, "replace")}
      >
        {view.utc ? "UTC" : "Local time"}
      </button>
      <button
        type="button"
        class="button quiet small square"
        aria-pressed={wrap}
        aria-label="Wrap long lines"
        title="Wrap long lines (w)"
        onClick={() => session.toggleWrap()}
      >
        <WrapIcon />
      </button>
      {warnings.map((warning) => (
        <Warning key={warning} text={warning} />
      ))}
      <Missed live={live} />
    </div>
  );
}

/** Where the server has a guess at what was meant, one click takes it. */
function Warning({ text }: { text: string }) {
  const session = useSession();
  const correction = correctionIn(text);
  const draft = useStore(session.model.ui, (u) => u.draft);
  const corrected = correction ? renameField(draft, correction) : draft;
  return (
    <p class="warning">
      <AlertIcon /> {text}{" "}
      {correction && corrected !== draft && (
        <button type="button" class="link" onClick={() => session.setQuery(corrected)}>
          Search with {correction.right}
        </button>
      )}
      {SOON.test(text) && (
        <button type="button" class="link" onClick={() => session.run()}>
          Search again
        </button>
      )}
    </p>
  );
}

/** What the server says while it indexes what it had received before a restart. */
const SOON = /search again in a moment/;

function countText(results: Results): string {
  const { phase, rows, liveRows, matched, exact, counting, cursor, released, partial, seeking } = results;
  if (phase === "failed") return rows.length > 0 ? "The rows below are from the search before." : "";
  if (counting) return `Showing ${formatCount(rows.length)}, counting…`;
  if (phase === "loading") return rows.length > 0 ? "Searching…" : "";
  const found = rows.length - liveRows;
  if (found === 0 && seeking !== "no") return "";
  const arrived = liveRows > 0 ? ` and ${formatCount(liveRows)} live` : "";
  // All pages are there: what was not counted was loaded.
  const all = cursor === null && !released && (exact ? found === matched : !partial);
  if (all) return `${plural(found, "event")}${arrived}`;
  if (!exact) return `Showing ${formatCount(found)} of at least ${formatCount(Math.max(found, matched))}${arrived}`;
  return `Showing ${formatCount(found)} of ${formatCount(matched)}${arrived}`;
}

function LiveState({ live }: { live: Live }) {
  const { state } = live;
  const seconds = useCountdown(state?.phase === "waiting" ? state.retryAt : undefined);
  if (!state) return <span class="live-state off">live goes on with the next search</span>;
  if (state.phase === "open") return <span class="live-state open">live, {plural(live.received, "new event")}</span>;
  if (state.phase === "connecting") return <span class="live-state">live, connecting…</span>;
  return (
    <span class="live-state waiting">
      live interrupted: {state.reason} Again in {seconds} s
    </span>
  );
}

function Missed({ live }: { live: Live }) {
  const session = useSession();
  if (live.dropped === 0 && live.gaps === 0) return null;
  const missed = live.dropped > 0 ? `${plural(live.dropped, "live event")} missed: this page was too slow.` : "";
  const gap = live.gaps > 0 ? "The live stream was away too long and some events may be missing here." : "";
  return (
    <p class="warning">
      <AlertIcon /> {missed} {gap}{" "}
      <button type="button" class="link" onClick={() => session.run()}>
        Search again
      </button>
    </p>
  );
}
