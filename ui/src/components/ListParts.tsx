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

export function Footer() {
  const session = useSession();
  const { cursor, loadingMore, moreError, released, rows, phase } = useStore(session.model.results, (r) => r);
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
          <button type="button" class="link" onClick={() => session.loadMore()}>
            Try again
          </button>
        </span>
      )}
      {!moreError && loadingMore && "Loading more…"}
      {!released && cursor === null && rows.length > 0 && "That is all."}
    </div>
  );
}
