/** What to do when there is nothing to show: nothing stored yet, or nothing found. */

import { hasToken } from "../api/client";
import type { ApiError } from "../api/errors";
import type { StatusReply } from "../api/types";
import type { Elsewhere } from "../state/model";
import { describeRange, longerPresets } from "../state/timerange";
import { formatDateTime, plural } from "../state/format";
import { asBeginning } from "../state/querytext";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { CopyIcon } from "./icons";
import { Seeking } from "./ListParts";

export function FirstUse() {
  const url = location.origin;
  // In double quotes, in which a shell puts the token where the variable stands.
  const token = hasToken() ? ' -H "Authorization: Bearer $LOGSHIP_TOKEN"' : "";
  return (
    <div class="empty" id="rows">
      <h1>No logs yet</h1>
      <p>Send some, and they appear here by themselves.</p>
      <h2>From a program in this terminal</h2>
      <Command text="./app 2>&1 | logship" />
      <h2>From anywhere, by HTTP</h2>
      <Command text={`curl '${url}/api/v1/ingest?service=demo'${token} -H 'Content-Type: text/plain' --data-binary 'hello from curl'`} />
      <h2>From a file</h2>
      <Command text={`curl '${url}/api/v1/ingest'${token} -H 'Content-Type: text/plain' --data-binary @app.log`} />
      <h2>From the files of a machine, as they grow</h2>
      <Command text={`${agentToken()}logship agent --files '/var/log/*.log' --server ${url}`} />
      <p class="waiting-dot">
        <span class="dot" aria-hidden="true" /> Waiting for the first line
      </p>
    </div>
  );
}

/** Set where the shell has the token already, too: so it is seen where it goes. */
export function agentToken(): string {
  return hasToken() ? 'LOGSHIP_TOKEN="$LOGSHIP_TOKEN" ' : "";
}

export function Command({ text }: { text: string }) {
  const session = useSession();
  return (
    <div class="command">
      <pre tabIndex={0} aria-label="Command">
        {text}
      </pre>
      <button
        type="button"
        class="button quiet square"
        aria-label={`Copy: ${text}`}
        title="Copy"
        onClick={() => void session.copy(text, "the command")}
      >
        <CopyIcon />
      </button>
    </div>
  );
}

export function BadQuery() {
  const session = useSession();
  return (
    <div class="empty" id="rows">
      <h1>The query cannot be read</h1>
      <p>The place is underlined above.</p>
      <div class="suggest">
        <button type="button" class="button" onClick={() => session.model.ui.set({ help: true })}>
          Show examples
        </button>
      </div>
    </div>
  );
}

/** The newest events hold nothing, and the time of a page did not reach the older ones. */
export function NothingYet({ error }: { error: ApiError | undefined }) {
  return (
    <div class="empty" id="rows">
      <h1>Nothing found yet</h1>
      <p>The newest events hold nothing that matches. A shorter time range or a word of the message is faster.</p>
      {error && <p class="problem">{error.message}</p>}
      <p class="waiting-dot">
        <Seeking />
      </p>
    </div>
  );
}

interface NothingProps {
  store: StatusReply | undefined;
  elsewhere: Elsewhere | undefined;
}

export function Nothing({ store, elsewhere }: NothingProps) {
  const session = useSession();
  const view = useStore(session.model.view, (v) => v);
  const beginning = asBeginning(view.q);
  const narrow = view.from !== "" || view.to !== "";
  return (
    <div class="empty" id="rows">
      <h1>Nothing found</h1>
      <p>
        No event
        {view.q !== "" && (
          <>
            {" matches "}
            <code>{view.q}</code>
          </>
        )}
        {narrow ? ` in the range “${describeRange(view, view.utc)}”.` : "."}
      </p>
      {narrow && elsewhere && <p>{elsewhereText(elsewhere, view.q !== "", view.utc)}</p>}
      <StoreSpan store={store} utc={view.utc} />
      <div class="suggest">
        {narrow && elsewhere?.matched !== 0 && <Wider />}
        {beginning && (
          <button type="button" class="button" title="Words are found as a whole; a star stands for the rest" onClick={() => session.setQuery(beginning)}>
            Search <code>{beginning}</code>
          </button>
        )}
        {view.q !== "" && (
          <button type="button" class="button" onClick={() => session.setQuery("")}>
            Clear the query
          </button>
        )}
        {!view.live && (
          <button type="button" class="button" onClick={() => session.setLive(true)}>
            Wait for it live
          </button>
        )}
      </div>
    </div>
  );
}

function elsewhereText({ matched, exact, newest }: Elsewhere, queried: boolean, utc: boolean): string {
  if (matched === 0) return "Nor does any event of another time: a longer range would not help.";
  const last = Number.isNaN(newest) ? "" : `, the newest of ${formatDateTime(newest, utc)}`;
  const verb = queried ? (matched === 1 ? " matches" : " match") : matched === 1 ? " is" : " are";
  return `At other times ${exact ? "" : "at least "}${plural(matched, "event")}${verb}${queried ? "" : " stored"}${last}.`;
}

function StoreSpan({ store, utc }: { store: StatusReply | undefined; utc: boolean }) {
  if (!store?.first_event || !store.last_event) return null;
  const [first, last] = [store.first_event, store.last_event].map((t) => formatDateTime(Date.parse(t), utc));
  return (
    <p class="hint">
      {plural(store.events, "event")} stored, from {first} to {last}.
    </p>
  );
}

/** The next longer ranges, and all of time. */
function Wider() {
  const session = useSession();
  const view = useStore(session.model.view, (v) => v);
  const longer = longerPresets(view);
  return (
    <>
      <button type="button" class="button primary" onClick={() => session.setRange({ from: "", to: "" })}>
        Search all time
      </button>
      {longer.map(({ label, from }) => (
        <button key={from} type="button" class="button" onClick={() => session.setRange({ from, to: "" })}>
          {label}
        </button>
      ))}
      {longer.length === 0 && (
        <button type="button" class="button" onClick={() => session.zoomOut()}>
          Widen the range
        </button>
      )}
    </>
  );
}
