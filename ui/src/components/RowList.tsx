/** The rows: only those in sight exist. The grid holds the focus, the cursor is its active descendant. */

import { useCallback, useLayoutEffect, useRef } from "preact/hooks";
import { formatCount, sameDay } from "../state/format";
import { eventId, levelNameOf, serviceOf, timeOf } from "../state/rows";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { UpIcon } from "./icons";
import { PHONE, useMedia } from "./media";
import { Row } from "./Row";
import { useVirtualizer } from "./useVirtualizer";
import { openValueMenu } from "./ValueMenu";

const ROW_PX = 22;
/** On a phone the message has a line of its own. */
const ROW_PHONE_PX = 46;
const FOOTER_PX = 44;
/** Rows before the end at which the next page is asked for. */
const LOAD_AHEAD = 60;
const AT_TOP_PX = 4;

export function RowList() {
  const session = useSession();
  const { model } = session;
  const results = useStore(model.results, (r) => r);
  const { utc } = useStore(model.view, (v) => v);
  const active = useStore(model.ui, (u) => u.active);
  const reveal = useStore(model.ui, (u) => u.reveal);
  const wrap = useStore(model.ui, (u) => u.wrap);
  const rowPx = useMedia(PHONE) ? ROW_PHONE_PX : ROW_PX;
  const scroller = useRef<HTMLDivElement>(null);
  const { rows, words } = results;

  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    getItemKey: useCallback((i: number) => eventId(rows[i] ?? {}) || i, [rows]),
    overscan: 12,
    paddingEnd: FOOTER_PX,
  });
  useLayoutEffect(() => virtualizer.measure(), [rowPx, wrap, virtualizer]);

  useLayoutEffect(() => {
    const index = session.activeIndex();
    if (reveal > 0 && index >= 0) virtualizer.scrollToIndex(index, { align: "auto" });
  }, [reveal, session, virtualizer]);

  const items = virtualizer.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useLayoutEffect(() => {
    if (results.moreError === undefined && last >= rows.length - LOAD_AHEAD) session.loadMore();
  }, [last, rows.length, results.cursor, results.moreError, session]);

  // A new search starts at its top.
  useLayoutEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
    session.follow(true);
  }, [results.scope, session]);

  const pick = (event: MouseEvent): void => {
    const target = event.target as HTMLElement;
    const rowNode = target.closest<HTMLElement>("[data-index]");
    const row = rows[Number(rowNode?.dataset["index"] ?? -1)];
    if (!rowNode || !row || hasSelection()) return;
    const cell = target.closest<HTMLElement>("[data-pick]");
    const field = cell?.dataset["pick"];
    const value = field === "level" ? levelNameOf(row) : field === "service" ? serviceOf(row) : "";
    if (cell && field && value !== "") openValueMenu(session, cell, field, value);
    else session.showEvent(row);
  };

  const now = Date.now();
  const first = rows[0];
  const oldest = rows.at(-1);
  const today = (t: number): boolean => sameDay(t, now, utc);
  const withDay = !first || !oldest || !today(timeOf(first)) || !today(timeOf(oldest));
  const activeItem = items.find((item) => eventId(rows[item.index] ?? {}) === active && active !== "");

  return (
    <div class="list-frame">
      <NewRows scroller={scroller} />
      <div
        ref={scroller}
        id="rows"
        class={`list${wrap ? " wrap" : ""}${withDay ? " with-day" : ""}${results.phase === "loading" ? " stale" : ""}`}
        role="grid"
        tabIndex={0}
        aria-label="Log lines, newest first"
        aria-rowcount={results.exact && results.cursor !== null ? results.matched + results.liveRows : rows.length}
        aria-activedescendant={activeItem ? `row-${activeItem.index}` : undefined}
        onClick={pick}
        onScroll={(event) => session.follow(event.currentTarget.scrollTop <= AT_TOP_PX)}
      >
        <div class="list-space" role="presentation" style={{ height: `${virtualizer.getTotalSize()}px` }}>
          {items.map((item) => {
            const row = rows[item.index];
            return (
              row && (
                <Row
                  key={item.key}
                  event={row}
                  index={item.index}
                  start={item.start}
                  active={active !== "" && eventId(row) === active}
                  words={words}
                  utc={utc}
                  withDay={withDay}
                  wrap={wrap}
                  measure={wrap ? virtualizer.measureElement : undefined}
                />
              )
            );
          })}
        </div>
        <Footer />
      </div>
    </div>
  );
}

/** A click that ends a text selection is not meant for the row. */
function hasSelection(): boolean {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.toString() !== "";
}

function NewRows({ scroller }: { scroller: { current: HTMLDivElement | null } }) {
  const session = useSession();
  const waiting = useStore(session.model.live, (l) => l.pending.length);
  if (waiting === 0) return null;
  const show = (): void => {
    session.showPending();
    if (scroller.current) scroller.current.scrollTop = 0;
  };
  return (
    <button type="button" class="new-rows" onClick={show}>
      <UpIcon />
      {formatCount(waiting)} new
    </button>
  );
}

function Footer() {
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
