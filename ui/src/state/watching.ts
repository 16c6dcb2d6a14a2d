/** Asks now and then whether the server is there: a page on which nothing happens would not learn it. */

import * as api from "../api/client";
import type { Model } from "./model";

const ASK_EVERY_MS = 10_000;
/** Someone may be waiting for it. */
const ASK_EVERY_AWAY_MS = 2000;

export class Watching {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: Model,
    private readonly onBack: () => void,
  ) {}

  start(): void {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.ask();
    });
    this.askLater();
  }

  private askLater(): void {
    clearTimeout(this.timer);
    const { server } = this.model.ui.get();
    const away = server === "away" || server === "replaying";
    this.timer = setTimeout(() => void this.ask(), away ? ASK_EVERY_AWAY_MS : ASK_EVERY_MS);
  }

  /** In a hidden tab nothing is asked until it is looked at again. */
  private async ask(): Promise<void> {
    clearTimeout(this.timer);
    if (document.visibilityState !== "visible") return;
    const before = this.model.ui.get().server;
    const server = await api.health();
    if (server !== before) this.model.ui.set({ server });
    const gone = before === "away" || before === "replaying";
    if (gone && (server === "ok" || server === "read_only")) this.onBack();
    this.askLater();
  }
}
