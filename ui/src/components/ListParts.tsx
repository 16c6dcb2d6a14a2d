/** What lies over and under the rows: the pill of held-back live rows, and the end of the list. */

import { formatCount } from "../state/format";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { UpIcon } from "./icons";

export function NewRows({ scroller }: { scroller: { current: HTMLDivElement | null } }) {
  const session = useSession();
  const waiting = useStore(session.model.live, (l) => l.pending.length);
  if (waiting === 0) return null;
  const show = (): void => {
    session.follow(true);
    if (scroller.current) scroller.current.scrollTop = 0;
  };
  return (
    <button type="button" class="new-rows" onClick={show}>
      <UpIcon />
      {formatCount(waiting)} new
    </button>
  );
}

/** Pages come without rows; the reader may stop that and go on with it. */
export function Seeking() {
  const session = useSession();
  const running = useStore(session.model.results, (r) => r.seeking === "running");
  return running ? (
    <span class="seeking" role="status">
      <span class="dot" aria-hidden="true" /> Still searching older events…{" "}
      <button type="button" class="link" onClick={() => session.stopSeeking()}>
        Stop
      </button>
    </span>
  ) : (
    <span class="seeking" role="status">
      Older events were not searched.{" "}
      <button type="button" class="link" onClick={() => session.seek()}>
        Go on
      </button>
    </span>
  );
}

export function Footer() {
  const session = useSession();
  const { cursor, loadingMore, moreError, released, rows, phase, seeking } = useStore(session.model.results, (r) => r);
  if (phase !== "ready") return null;
  return (
    <div class="list-footer" role="presentation">
      {released && (
        <span>
          Only the newest {formatCount(rows.length)} live rows are kept here.{" "}
          <button type="button" class="link" onClick={() => session.run()}>
            Search again
          </button>{" "}
          to see older ones.
        </span>
      )}
      {moreError && (
        <span class="problem">
          {moreError.message}{" "}
          {seeking === "no" && (
            <button type="button" class="link" onClick={() => session.loadMore()}>
              Try again
            </button>
          )}
        </span>
      )}
      {!moreError && loadingMore && "Loading more…"}
      {seeking !== "no" && <Seeking />}
      {!released && cursor === null && rows.length > 0 && "That is all."}
    </div>
  );
}
