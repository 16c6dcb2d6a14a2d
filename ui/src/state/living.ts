/** The live stream on the page: collected between frames, shown at the top or held back, always bounded. */

import { startTail } from "../api/tail";
import type { LogEvent } from "../api/types";
import { hold, prepend } from "./livebuffer";
import type { Model } from "./model";

const COUNTS_REFRESH_MS = 5000;
/** Frames do not come in a hidden tab; a timer then keeps what has arrived within its bound. */
const HIDDEN_FLUSH_MS = 1000;

type Timer = ReturnType<typeof setTimeout>;

export class Living {
  private stopTail: (() => void) | undefined;
  private arrived: LogEvent[] = [];
  private frame: number | undefined;
  private hidden: Timer | undefined;
  private countsTimer: Timer | undefined;
  private following = true;

  constructor(
    private readonly model: Model,
    private readonly refreshCounts: () => Promise<void>,
  ) {}

  start(position: string): void {
    const { live, ui, view } = this.model;
    this.stopTail?.();
    this.arrived = [];
    this.stopTail = startTail(view.get().q, position, {
      onRow: (row) => this.onRow(row),
      onGap: () => live.set({ gaps: live.get().gaps + 1 }),
      onDrop: (n) => live.set({ dropped: live.get().dropped + n }),
      onState: (state) => live.set({ state }),
      onRefused: (error) => {
        live.set({ state: undefined });
        if (error.status === 401) ui.set({ tokenAsked: true });
        else ui.set({ notice: `Live stopped: ${error.message}` });
      },
    });
  }

  stop(): void {
    this.stopTail?.();
    this.stopTail = undefined;
    clearTimeout(this.countsTimer);
    this.countsTimer = undefined;
    this.flush();
    if (this.model.live.get().state) this.model.live.set({ state: undefined });
  }

  /** Whether new rows are shown at once (the reader is at the top) or held back. */
  follow(yes: boolean): void {
    this.following = yes;
    const { pending, received } = this.model.live.get();
    if (yes && pending.length > 0) this.show(pending, received);
  }

  private onRow(row: LogEvent): void {
    this.arrived.push(row);
    this.frame ??= requestAnimationFrame(() => this.flush());
    this.hidden ??= setTimeout(() => this.flush(), HIDDEN_FLUSH_MS);
    this.countsTimer ??= setTimeout(() => {
      this.countsTimer = undefined;
      if (this.stopTail && document.visibilityState === "visible") void this.refreshCounts();
    }, COUNTS_REFRESH_MS);
  }

  private flush(): void {
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    clearTimeout(this.hidden);
    this.frame = undefined;
    this.hidden = undefined;
    if (this.arrived.length === 0) return;
    const { pending, received } = this.model.live.get();
    const held = hold(pending, this.arrived);
    const count = received + this.arrived.length;
    this.arrived = [];
    if (this.following) this.show(held, count);
    else this.model.live.set({ pending: held, received: count });
  }

  private show(fresh: readonly LogEvent[], received: number): void {
    const { rows, liveRows, released } = this.model.results.get();
    const next = prepend({ rows, liveRows, released }, fresh);
    this.model.live.set({ pending: [], received });
    this.model.results.set(next.released ? { ...next, cursor: null } : next);
  }
}
