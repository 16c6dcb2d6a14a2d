/** Running searches: the first page with chart and fields, further pages, and trying again when the server is away. */

import * as api from "../api/client";
import { ApiError, asApiError, isAbort } from "../api/errors";
import { retryDelay } from "../api/tail";
import type { LogEvent, Scope } from "../api/types";
import { NO_LIVE, type Model, type Results } from "./model";
import { rangeProblem, resolveRange } from "./timerange";

const FIRST_PAGE = 200;
const NEXT_PAGE = 500;
/** Rows are shown without their count when counting takes longer than this. */
const ROWS_FIRST_MS = 150;
const EMPTY_POLL_MS = 2000;
const PIXELS_PER_BAR = 11;

export interface Searching {
  run(): Promise<void>;
  loadMore(): Promise<void>;
  refreshChart(): Promise<void>;
  loadFields(): Promise<void>;
}

export function createSearching(model: Model, onReady: (position: string) => void): Searching {
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;

  function currentScope(): Scope {
    const { q, from, to } = model.view.get();
    return { q, ...resolveRange({ from, to }, Date.now()) };
  }

  async function run(): Promise<void> {
    abort.abort();
    abort = new AbortController();
    clearTimeout(timer);
    const { signal } = abort;
    const view = model.view.get();
    const problem = rangeProblem(view, Date.now());
    if (problem !== "") {
      fail(new ApiError(400, { code: "bad_request", message: problem }));
      return;
    }
    const scope = currentScope();
    model.results.set({ phase: "loading", error: undefined, retryAt: undefined, loadingMore: false, moreError: undefined });
    const searched = firstPage(scope, signal);
    void chart(scope, signal);
    if (model.ui.get().sidebar) void fields(scope, signal);
    try {
      await searched;
      attempt = 0;
    } catch (error) {
      if (!isAbort(error)) fail(asApiError(error));
    }
  }

  async function firstPage(scope: Scope, signal: AbortSignal): Promise<void> {
    let shown: LogEvent[] | undefined;
    const onRows = (rows: LogEvent[]): void => {
      shown ??= rows;
    };
    const early = setTimeout(() => {
      if (signal.aborted || !shown || shown.length === 0) return;
      model.live.set({ pending: [], received: 0 });
      model.results.set({ ...freshRows(scope, shown.slice()), counting: true });
    }, ROWS_FIRST_MS);
    try {
      const page = await api.search(scope, { limit: FIRST_PAGE }, signal, onRows);
      if (signal.aborted) return;
      const { trailer } = page;
      model.live.set({ ...NO_LIVE, state: model.live.get().state });
      model.results.set({
        ...freshRows(scope, page.rows),
        phase: "ready",
        matched: trailer.matched,
        exact: trailer.relation === "eq",
        cursor: trailer.cursor,
        position: trailer.position,
        words: new Set(trailer.words),
        partial: trailer.partial,
        warnings: trailer.warnings,
        tookMs: trailer.took_ms,
        store: undefined,
      });
      onReady(trailer.position);
      if (page.rows.length === 0) await explainEmptiness(signal);
    } finally {
      clearTimeout(early);
    }
  }

  function freshRows(scope: Scope, rows: LogEvent[]): Partial<Results> {
    return { rows, liveRows: 0, released: false, scope, counting: false, error: undefined, words: new Set() };
  }

  /** Nothing found: is there anything at all? While there is not, look again, so that the page comes alive by itself. */
  async function explainEmptiness(signal: AbortSignal): Promise<void> {
    const known = await api.status(signal);
    if (signal.aborted) return;
    if (known.events === 0 || model.results.get().store === undefined) model.results.set({ store: known });
    if (known.events > 0) return;
    timer = setTimeout(() => {
      api.status(signal).then(
        (now) => {
          if (signal.aborted) return;
          if (now.events > 0) void run();
          else void explainEmptiness(signal);
        },
        (error: unknown) => {
          if (!isAbort(error)) fail(asApiError(error));
        },
      );
    }, EMPTY_POLL_MS);
  }

  function fail(error: ApiError): void {
    if (error.status === 401) {
      model.ui.set({ tokenAsked: true });
    }
    let retryAt: number | undefined;
    if (error.isTransient) {
      const delay = error.retryAfterS ? error.retryAfterS * 1000 : retryDelay(attempt + 1);
      attempt += 1;
      retryAt = Date.now() + delay;
      timer = setTimeout(() => void run(), delay);
    }
    model.results.set({ phase: "failed", error, retryAt, counting: false });
  }

  async function chart(scope: Scope, signal: AbortSignal): Promise<void> {
    const buckets = Math.max(30, Math.min(160, Math.floor(window.innerWidth / PIXELS_PER_BAR)));
    try {
      const reply = await api.histogram(scope, buckets, signal);
      if (!signal.aborted) model.chart.set({ reply, error: undefined });
    } catch (error) {
      if (!isAbort(error)) model.chart.set({ error: asApiError(error) });
    }
  }

  async function fields(scope: Scope, signal: AbortSignal): Promise<void> {
    try {
      const reply = await api.fields(scope, signal);
      if (!signal.aborted) model.fields.set({ list: reply.fields, error: undefined, scope });
    } catch (error) {
      if (!isAbort(error)) model.fields.set({ error: asApiError(error) });
    }
  }

  async function loadMore(): Promise<void> {
    const { cursor, loadingMore, phase, scope, released } = model.results.get();
    if (cursor === null || loadingMore || phase !== "ready" || released) return;
    const { signal } = abort;
    model.results.set({ loadingMore: true, moreError: undefined });
    try {
      const { rows, trailer } = await api.search(scope, { limit: NEXT_PAGE, cursor, count: "none" }, signal);
      if (signal.aborted) return;
      const now = model.results.get();
      // The live list may have let go of the rows that this page would follow.
      if (now.released) model.results.set({ loadingMore: false, cursor: null });
      else model.results.set({ rows: now.rows.concat(rows), cursor: trailer.cursor, loadingMore: false });
    } catch (error) {
      if (!isAbort(error)) model.results.set({ loadingMore: false, moreError: asApiError(error) });
    }
  }

  return {
    run,
    loadMore,
    refreshChart: () => chart(currentScope(), abort.signal),
    loadFields: () => fields(currentScope(), abort.signal),
  };
}
