/** Asks for the agents as long as somebody looks at them. */

import * as api from "../api/client";
import { asApiError, isAbort } from "../api/errors";
import { readAgents } from "./agents";
import type { Model } from "./model";

const ASK_EVERY_MS = 3000;
/** A reply of many agents is not asked for again before this many times what it took. */
const SHARE = 10;

export class AgentWatch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;

  constructor(private readonly model: Model) {
    document.addEventListener("visibilitychange", () => {
      if (this.abort && document.visibilityState === "visible") void this.ask();
    });
  }

  start(): void {
    this.stop();
    this.abort = new AbortController();
    void this.ask();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
  }

  private async ask(): Promise<void> {
    clearTimeout(this.timer);
    const signal = this.abort?.signal;
    if (!signal || document.visibilityState !== "visible") return;
    const began = performance.now();
    const { agents, ui } = this.model;
    try {
      const { reply, now } = await api.agents(signal);
      agents.set({ list: readAgents(reply, now), now, error: undefined });
    } catch (failure) {
      if (isAbort(failure) || signal.aborted) return;
      const error = asApiError(failure);
      if (error.status === 401 && !ui.get().tokenAsked) ui.set({ tokenAsked: true });
      agents.set({ error });
    }
    if (signal.aborted) return;
    const pause = Math.max(ASK_EVERY_MS, (performance.now() - began) * SHARE);
    this.timer = setTimeout(() => void this.ask(), pause);
  }
}
