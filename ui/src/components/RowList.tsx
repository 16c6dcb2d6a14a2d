/** The rows: only those in sight exist. The grid holds the focus, the cursor is its active descendant. */

import type { RefObject } from "preact";
import { useCallback, useLayoutEffect, useRef } from "preact/hooks";
import type { LogEvent } from "../api/types";
import { sameDay } from "../state/format";
import { PHONE } from "../state/layout";
import { eventId, levelNameOf, serviceOf, timeOf } from "../state/rows";
import { useStore } from "../state/store";
import { useSession, type Session } from "../state/session";
import { Footer, NewRows } from "./ListParts";
import { useMedia } from "./media";
import { Row } from "./Row";
import { useVirtualizer, type RowVirtualizer } from "./useVirtualizer";
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
  const items = virtualizer.getVirtualItems();
  useScrolling(scroller, virtualizer, items.at(-1)?.index ?? 0);

  const withDay = needsDay(rows, utc);
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
        onClick={(event) => pick(event, rows, session)}
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

/** Scrolls to the cursor when it moves, loads the next page near the end, and starts a new search at its top. */
function useScrolling(scroller: RefObject<HTMLElement | null>, virtualizer: RowVirtualizer, last: number): void {
  const session = useSession();
  const reveal = useStore(session.model.ui, (u) => u.reveal);
  const { rows, scope, cursor, moreError } = useStore(session.model.results, (r) => r);
  useLayoutEffect(() => {
    const index = session.activeIndex();
    if (reveal > 0 && index >= 0) virtualizer.scrollToIndex(index, { align: "auto" });
  }, [reveal, session, virtualizer]);
  useLayoutEffect(() => {
    if (moreError === undefined && last >= rows.length - LOAD_AHEAD) session.loadMore();
  }, [last, rows.length, cursor, moreError, session]);
  useLayoutEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
    session.follow(true);
  }, [scope, session, scroller]);
}

/** The clock alone is enough while all rows are of today. */
function needsDay(rows: readonly LogEvent[], utc: boolean): boolean {
  const now = Date.now();
  return [rows[0], rows.at(-1)].some((row) => row !== undefined && !sameDay(timeOf(row), now, utc));
}

/** A click on level or service offers to filter; anywhere else it opens the event. */
function pick(event: MouseEvent, rows: readonly LogEvent[], session: Session): void {
  const target = event.target as HTMLElement;
  const rowNode = target.closest<HTMLElement>("[data-index]");
  const row = rows[Number(rowNode?.dataset["index"] ?? -1)];
  if (!rowNode || !row || hasSelection()) return;
  const cell = target.closest<HTMLElement>("[data-pick]");
  const field = cell?.dataset["pick"];
  const value = field === "level" ? levelNameOf(row) : field === "service" ? serviceOf(row) : "";
  if (cell && field && value !== "") openValueMenu(session, cell, field, value);
  else session.showEvent(row);
}

/** A click that ends a text selection is not meant for the row. */
function hasSelection(): boolean {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.toString() !== "";
}
