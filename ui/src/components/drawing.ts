/** The histogram on a canvas, by uPlot. Knows nothing of the page but colours and three callbacks. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { HistogramReply } from "../api/types";
import { axisLabels, formatCompact } from "../state/format";
import { bucketCount, stack, type LevelCounts } from "../state/stacking";

export interface Hover {
  bucket: number;
  x: number;
  width: number;
}

interface Drawn {
  reply: HistogramReply;
  levels: LevelCounts[];
  utc: boolean;
  height: number;
}

interface Callbacks {
  onZoom(from: number, to: number): void;
  onZoomOut(): void;
  onHover(hover: Hover | undefined): void;
}

/** Below this a drag was meant as a click. */
const DRAG_MIN_PX = 6;
const GAP_PX = 1;
const Y_AXIS_PX = 44;

/** A custom property holds `light-dark(...)`; only a used colour is a value that a canvas takes. */
function colors(host: HTMLElement): (name: string) => string {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  return (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
}

export function drawHistogram(host: HTMLElement, drawn: Drawn, on: Callbacks): () => void {
  const { reply, levels } = drawn;
  const n = bucketCount(reply);
  const color = colors(host);
  const series = stack(levels);
  const times = Array.from({ length: n }, (_, i) => (reply.from + i * reply.step_ms) / 1000);
  const end = (reply.from + n * reply.step_ms) / 1000;
  const bars = uPlot.paths.bars?.({ size: [1, Infinity], align: 1, gap: GAP_PX });
  const axis = { stroke: color("text-dim"), font: "11px system-ui, sans-serif", grid: { stroke: color("line"), width: 1 } };
  const options: uPlot.Options = {
    width: host.clientWidth,
    height: drawn.height,
    // On the right there is room for half a label: the last one may stand at the very end.
    padding: [6, 18, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PX },
      bind: {
        dblclick: () => () => {
          on.onZoomOut();
          return null;
        },
      },
    },
    tzDate: (seconds) => (drawn.utc ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
    scales: { x: { range: [times[0] ?? 0, end] }, y: { range: (_u, _min, max) => [0, Math.max(1, max) * 1.05] } },
    axes: [
      { ...axis, size: 22, gap: 4, space: 80, values: (_u, v) => axisLabels(v, drawn.utc), grid: { show: false }, ticks: { stroke: color("line"), width: 1, size: 4 } },
      { ...axis, size: Y_AXIS_PX, gap: 6, space: 28, ticks: { show: false }, incrs: WHOLE_STEPS, values: (_u, v) => v.map(formatCompact) },
    ],
    series: [{}, ...series.map(({ level }) => ({ fill: color(`level-${level}`), width: 0, ...(bars ? { paths: bars } : {}), points: { show: false } }))],
    hooks: {
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < DRAG_MIN_PX) return;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          on.onZoom(u.posToVal(left, "x") * 1000, u.posToVal(left + width, "x") * 1000);
        },
      ],
      setCursor: [
        (u) => {
          const left = u.cursor.left ?? -1;
          const bucket = left < 0 ? -1 : Math.floor((u.posToVal(left, "x") * 1000 - reply.from) / reply.step_ms);
          on.onHover(bucket >= 0 && bucket < n ? { bucket, x: left + Y_AXIS_PX, width: host.clientWidth } : undefined);
        },
      ],
    },
  };
  const plot = new uPlot(options, [times, ...series.map((s) => s.sums)], host);
  const stopTouch = selectByTouch(plot);
  const resize = new ResizeObserver(() => {
    if (host.clientWidth > 0) plot.setSize({ width: host.clientWidth, height: drawn.height });
  });
  resize.observe(host);
  return () => {
    resize.disconnect();
    stopTouch();
    plot.destroy();
    host.replaceChildren();
  };
}

/** A finger that moves sideways selects as the mouse does, which is all that uPlot knows; up and down scrolls the page. */
function selectByTouch(plot: uPlot): () => void {
  const { over } = plot;
  const stop = new AbortController();
  let start: number | undefined;
  const at = (event: PointerEvent): number => {
    const box = over.getBoundingClientRect();
    return Math.max(0, Math.min(event.clientX - box.left, box.width));
  };
  const select = (event: PointerEvent, done: boolean): void => {
    if (start === undefined || event.pointerType === "mouse") return;
    const end = at(event);
    const width = Math.abs(end - start);
    plot.setSelect({ left: Math.min(start, end), top: 0, width, height: over.clientHeight }, done);
    if (!done) plot.setCursor({ left: end, top: 0 });
  };
  const forget = (): void => {
    start = undefined;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  };
  const listen = (name: "pointerdown" | "pointermove" | "pointerup" | "pointercancel", act: (event: PointerEvent) => void): void =>
    over.addEventListener(name, act, { signal: stop.signal });
  listen("pointerdown", (event) => {
    // A second finger is a gesture of another kind.
    if (event.pointerType !== "mouse") start = event.isPrimary ? at(event) : undefined;
  });
  listen("pointermove", (event) => select(event, false));
  listen("pointerup", (event) => {
    select(event, true);
    if (event.pointerType !== "mouse") forget();
  });
  listen("pointercancel", forget);
  return () => stop.abort();
}

/** Counts have no halves. */
const WHOLE_STEPS = Array.from({ length: 12 }, (_, i) => [1, 2, 5].map((m) => m * 10 ** i)).flat();
