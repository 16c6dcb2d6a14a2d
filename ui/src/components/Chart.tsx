/** The histogram by level: the drawing, its legend, its words. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { HistogramReply } from "../api/types";
import { atLeast, formatCompact, formatCount, formatDateTime, formatStep } from "../state/format";
import { PHONE } from "../state/layout";
import type { Level } from "../state/levels";
import { bucketCount, byLevel, describeHistogram, type LevelCounts } from "../state/stacking";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { drawHistogram, type Hover } from "./drawing";
import { AlertIcon, ZoomOutIcon } from "./icons";
import { useMedia } from "./media";
import { openValueMenu } from "./ValueMenu";

const HEIGHT = 112;
const HEIGHT_PHONE = 84;

export function Chart() {
  const session = useSession();
  const { reply, error } = useStore(session.model.chart, (c) => c);
  const utc = useStore(session.model.view, (v) => v.utc);
  const zoomed = useStore(session.model.view, (v) => v.from !== "" || v.to !== "");
  const levels = useMemo(() => (reply ? byLevel(reply) : []), [reply]);
  // Where the search failed too, the list says why.
  const alone = useStore(session.model.results, (r) => r.phase !== "failed");
  const summary = reply ? describeHistogram(reply, levels, utc) : "";
  return (
    <section class="chart" aria-label="Events over time">
      <div class="chart-head">
        <Legend reply={reply} levels={levels} />
        {reply?.relation === "gte" && <Incomplete warnings={reply.warnings} />}
        {error && alone && <span class="problem">No chart: {error.message}</span>}
        <span class="grow" />
        {reply && reply.total > 0 && <span class="step">{formatStep(reply.step_ms)} a bar</span>}
        <button
          type="button"
          class="button quiet small"
          title="Zoom out (z), or double-click the chart"
          disabled={!zoomed}
          onClick={() => session.zoomOut()}
        >
          <ZoomOutIcon />
          <span>Zoom out</span>
        </button>
      </div>
      <Canvas reply={reply} levels={levels} utc={utc} summary={summary} />
    </section>
  );
}

/** Why the counts are too small, in words where the rows do not say it already. */
function Incomplete({ warnings }: { warnings: readonly string[] }) {
  const known = useStore(useSession().model.results, (r) => r.warnings);
  const own = warnings.filter((warning) => !known.includes(warning));
  return (
    <span class="chart-note" role="note" title={warnings.join("\n")}>
      <AlertIcon />
      <span>{own.length > 0 ? own.join(" ") : "Not all events are counted."}</span>
    </span>
  );
}

const LEVEL_LABEL = (level: Level): string => (level === "unknown" ? "no level" : level);

function Legend({ reply, levels }: { reply: HistogramReply | undefined; levels: LevelCounts[] }) {
  const session = useSession();
  if (!reply) return null;
  const exact = reply.relation !== "gte";
  return (
    <ul class="legend" aria-label="Counts by level">
      {levels.map(({ level, total }) => (
        <li key={level}>
          <button
            type="button"
            class="legend-item"
            title={`${LEVEL_LABEL(level)}: ${atLeast(exact, formatCount(total))}`}
            disabled={level === "unknown"}
            onClick={(event) => openValueMenu(session, event.currentTarget, "level", level)}
          >
            <span class={`swatch ${level}`} aria-hidden="true" />
            {LEVEL_LABEL(level)} <span class="legend-count">{atLeast(exact, formatCompact(total))}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

interface CanvasProps {
  reply: HistogramReply | undefined;
  levels: LevelCounts[];
  utc: boolean;
  summary: string;
}

function Canvas({ reply, levels, utc, summary }: CanvasProps) {
  const session = useSession();
  const theme = useStore(session.model.ui, (u) => u.theme);
  const dark = useMedia("(prefers-color-scheme: dark)");
  const phone = useMedia(PHONE);
  const [hover, setHover] = useState<Hover | undefined>();
  const host = useRef<HTMLDivElement>(null);
  const height = phone ? HEIGHT_PHONE : HEIGHT;

  useLayoutEffect(() => {
    // A range without events still has its time axis, on which one can zoom out of it.
    if (!host.current || !reply || bucketCount(reply) === 0) return;
    setHover(undefined);
    return drawHistogram(host.current, { reply, levels, utc, height }, {
      onZoom: (from, to) => session.zoomTo(from, to),
      onZoomOut: () => session.zoomOut(),
      onHover: setHover,
    });
  }, [reply, levels, utc, theme, dark, height, session]);

  return (
    <div class="chart-canvas">
      <p class="visually-hidden">{summary}</p>
      <div ref={host} class="chart-host" aria-hidden="true" />
      {reply && hover && <Tooltip reply={reply} levels={levels} hover={hover} utc={utc} />}
    </div>
  );
}

function Tooltip({ reply, levels, hover, utc }: { reply: HistogramReply; levels: LevelCounts[]; hover: Hover; utc: boolean }) {
  const start = reply.from + hover.bucket * reply.step_ms;
  const present = levels.filter((l) => (l.counts[hover.bucket] ?? 0) > 0);
  const total = present.reduce((n, l) => n + (l.counts[hover.bucket] ?? 0), 0);
  const exact = reply.relation !== "gte";
  const side = hover.x > hover.width / 2 ? { right: `${hover.width - hover.x + 12}px` } : { left: `${hover.x + 12}px` };
  return (
    <div class="tooltip" style={side} aria-hidden="true">
      <div class="tooltip-time">{formatDateTime(start, utc)}</div>
      {present.length === 0 && <div>no events</div>}
      {present.map(({ level, counts }) => (
        <div key={level} class="tooltip-row">
          <span class={`swatch ${level}`} />
          {LEVEL_LABEL(level)}
          <span class="tooltip-count">{atLeast(exact, formatCount(counts[hover.bucket] ?? 0))}</span>
        </div>
      ))}
      {present.length > 1 && (
        <div class="tooltip-row tooltip-total">
          total
          <span class="tooltip-count">{atLeast(exact, formatCount(total))}</span>
        </div>
      )}
    </div>
  );
}
