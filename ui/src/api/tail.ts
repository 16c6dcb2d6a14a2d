/** The live stream, read with fetch because EventSource cannot send the Authorization header. Reconnects by itself. */

import { request } from "./client";
import { ApiError, asApiError, isAbort } from "./errors";
import { readServerEvents, type ServerEvent } from "./streams";
import type { LogEvent } from "./types";

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 15_000;

export type TailState =
  | { phase: "connecting" }
  | { phase: "open" }
  | { phase: "waiting"; retryAt: number; reason: string };

export interface TailHandlers {
  onRow(row: LogEvent): void;
  /** The server no longer holds what came between: search again. */
  onGap(): void;
  onDrop(count: number): void;
  onState(state: TailState): void;
  /** Waiting cannot help: a bad query or a missing token. The tail has stopped. */
  onRefused(error: ApiError): void;
}

/** Grows by half random steps, so that many pages do not come back at the same moment. */
export function retryDelay(attempt: number, random = Math.random()): number {
  const full = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** attempt);
  return Math.round(full / 2 + (full / 2) * random);
}

/** Starts tailing after `position`; the returned function stops it. */
export function startTail(q: string, position: string, handlers: TailHandlers): () => void {
  const abort = new AbortController();
  void run(q, position, handlers, abort.signal);
  return () => abort.abort();
}

async function run(q: string, after: string, handlers: TailHandlers, signal: AbortSignal): Promise<void> {
  let attempt = 0;
  let last = after;
  const onEvent = (event: ServerEvent): void => {
    if (event.id !== "") last = event.id;
    dispatch(event, handlers);
  };
  while (!signal.aborted) {
    handlers.onState({ phase: "connecting" });
    let failure: ApiError;
    try {
      const reply = await request("tail", { q, after: last }, signal, { Accept: "text/event-stream" });
      attempt = 0;
      handlers.onState({ phase: "open" });
      if (reply.body) await readServerEvents(reply.body, onEvent);
      failure = new ApiError(0, { code: "closed", message: "The server closed the live stream." });
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      failure = asApiError(error);
    }
    if (failure.status >= 400 && !failure.isTransient) {
      handlers.onRefused(failure);
      return;
    }
    const delay = failure.retryAfterS ? failure.retryAfterS * 1000 : retryDelay(attempt++);
    handlers.onState({ phase: "waiting", retryAt: Date.now() + delay, reason: failure.message });
    await pause(delay, signal);
  }
}

function dispatch(event: ServerEvent, handlers: TailHandlers): void {
  if (event.event === "row") handlers.onRow(JSON.parse(event.data) as LogEvent);
  else if (event.event === "gap") handlers.onGap();
  else if (event.event === "drop") {
    handlers.onDrop((JSON.parse(event.data) as { count?: number }).count ?? 0);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
