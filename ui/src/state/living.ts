/** The live stream on the page: collected between frames, shown at the top or held back, always bounded. */

import { startTail } from "../api/tail";
import type { LogEvent } from "../api/types";
import { hold, prepend } from "./livebuffer";
import type { Model } from "./model";

const CHART_REFRESH_MS = 5000;
/** Frames do not come in a hidden tab; a timer then keeps what has arrived within its bound. */
const HIDDEN_FLUSH_MS = 1000;

export interface Living {
  start(position: string): void;
  stop(): void;
  /** Whether new rows are shown at once (the reader is at the top) or held back. */
  follow(yes: boolean): void;
  showPending(): void;
}

export function createLiving(model: Model, refreshChart: () => Promise<void>): Living {
  let stopTail: (() => void) | undefined;
  let arrived: LogEvent[] = [];
  let frame: number | undefined;
  let hidden: ReturnType<typeof setTimeout> | undefined;
  let chartTimer: ReturnType<typeof setTimeout> | undefined;
  let following = true;

  function flush(): void {
    if (frame !== undefined) cancelAnimationFrame(frame);
    clearTimeout(hidden);
    frame = undefined;
    hidden = undefined;
    if (arrived.length === 0) return;
    const { pending, received } = model.live.get();
    const held = hold(pending, arrived);
    const count = received + arrived.length;
    arrived = [];
    if (following) show(held, count);
    else model.live.set({ pending: held, received: count });
  }

  function show(fresh: readonly LogEvent[], received: number): void {
    const { rows, liveRows, released } = model.results.get();
    const next = prepend({ rows, liveRows, released }, fresh);
    model.live.set({ pending: [], received });
    model.results.set(next.released ? { ...next, cursor: null } : next);
  }

  function onRow(row: LogEvent): void {
    arrived.push(row);
    frame ??= requestAnimationFrame(flush);
    hidden ??= setTimeout(flush, HIDDEN_FLUSH_MS);
    chartTimer ??= setTimeout(() => {
      chartTimer = undefined;
      if (stopTail && document.visibilityState === "visible") void refreshChart();
    }, CHART_REFRESH_MS);
  }

  function stop(): void {
    stopTail?.();
    stopTail = undefined;
    clearTimeout(chartTimer);
    chartTimer = undefined;
    flush();
    if (model.live.get().state) model.live.set({ state: undefined });
  }

  return {
    start(position) {
      stopTail?.();
      arrived = [];
      stopTail = startTail(model.view.get().q, position, {
        onRow,
        onGap: () => model.live.set({ gaps: model.live.get().gaps + 1 }),
        onDrop: (n) => model.live.set({ dropped: model.live.get().dropped + n }),
        onState: (state) => model.live.set({ state }),
        onRefused(error) {
          model.live.set({ state: undefined });
          if (error.status === 401) model.ui.set({ tokenAsked: true });
          else model.ui.set({ notice: `Live stopped: ${error.message}` });
        },
      });
    },
    stop,
    follow(yes) {
      following = yes;
      if (yes && model.live.get().pending.length > 0) show(model.live.get().pending, model.live.get().received);
    },
    showPending() {
      following = true;
      show(model.live.get().pending, model.live.get().received);
    },
  };
}
