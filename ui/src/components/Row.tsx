/** One log line. Clicks are read by the list from the data attributes, so a row holds no handlers. */

import { memo } from "./memo";
import type { LogEvent } from "../api/types";
import { formatClock, formatDay } from "../state/format";
import { highlight } from "../state/highlight";
import { shortLevel } from "../state/levels";
import { eventLevel, fieldSummary, firstLine, messageOf, serviceOf, timeOf } from "../state/rows";

/** What fits on no screen needs no nodes. */
const SHOWN_CHARS_MAX = 2000;

interface Props {
  event: LogEvent;
  index: number;
  start: number;
  active: boolean;
  words: ReadonlySet<string>;
  utc: boolean;
  withDay: boolean;
  wrap: boolean;
  measure: ((node: HTMLElement | null) => void) | undefined;
}

export const Row = memo(({ event, index, start, active, words, utc, withDay, wrap, measure }: Props) => {
  const time = timeOf(event);
  const level = eventLevel(event);
  const service = serviceOf(event);
  return (
    <div
      ref={measure ?? null}
      id={`row-${index}`}
      class={`row ${level}${active ? " active" : ""}`}
      role="row"
      aria-rowindex={index + 1}
      aria-selected={active}
      data-index={index}
      style={{ transform: `translateY(${start}px)` }}
    >
      <span class="cell time" role="gridcell">
        {Number.isNaN(time) ? "no time" : (withDay ? `${formatDay(time, utc)} ` : "") + formatClock(time, utc)}
      </span>
      <span class="cell level" role="gridcell" data-pick="level">
        {shortLevel(level)}
      </span>
      <span class="cell service" role="gridcell" data-pick="service" title={service}>
        {service}
      </span>
      <Message event={event} words={words} wrap={wrap} />
    </div>
  );
});

function Message({ event, words, wrap }: { event: LogEvent; words: ReadonlySet<string>; wrap: boolean }) {
  const message = messageOf(event);
  if (message === "") {
    return (
      <span class="cell message fields" role="gridcell">
        {fieldSummary(event)}
      </span>
    );
  }
  const { text, more } = wrap ? { text: message, more: 0 } : firstLine(message);
  const pieces = highlight(text.slice(0, SHOWN_CHARS_MAX), words);
  return (
    <span class="cell message" role="gridcell">
      <span class="message-text">
        {pieces.map((piece, i) => (piece.hit ? <mark key={i}>{piece.text}</mark> : piece.text))}
        {text.length > SHOWN_CHARS_MAX && "…"}
      </span>
      {more > 0 && <span class="more-lines">{more === 1 ? "+1 line" : `+${more} lines`}</span>}
    </span>
  );
}
