/** Running searches: the first page with chart and fields, further pages, and trying again when the server is away. */

import * as api from "../api/client";
import { ApiError, asApiError, isAbort } from "../api/errors";
import { retryDelay } from "../api/tail";
import type { LogEvent, Scope } from "../api/types";
import { NO_LIVE, type Model, type Results } from "./model";
import { timeOf } from "./rows";
import { rangeProblem, resolveRange } from "./timerange";

const FIRST_PAGE = 200;
const NEXT_PAGE = 500;
/** Rows are shown without their count when counting takes longer than this. */
const ROWS_FIRST_MS = 150;
const EMPTY_POLL_MS = 2000;
/** Pages without rows that are followed by themselves: each takes as long as the server's deadline. */
const SEEK_PAGES_MAX = 30;
/** In the warning of a page that ended at its deadline: true until the next page has come. */
export const NEXT_PAGE_CURES = /come with the next page/;
const PIXELS_PER_BAR = 11;

export class Searching {
  private abort = new AbortController();
  private seekAbort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  /** The query that is being typed, while the server has not yet taken it. */
  private typed: string | undefined;
  private accept: (() => void) | undefined;
  /** What was shown before it, where that was complete. */
  private before: Pick<Results, "phase" | "error"> | undefined;

  /** `onReady` is told the position that the first page covers. */
  constructor(
    private readonly model: Model,
    private readonly onReady: (position: string) => void,
  ) {}

  private currentScope(q = this.model.view.get().q): Scope {
    const { from, to } = this.model.view.get();
    return { q, ...resolveRange({ from, to }, Date.now()) };
  }

  private begin(): AbortSignal {
    this.abort.abort();
    this.abort = new AbortController();
    clearTimeout(this.timer);
    return this.abort.signal;
  }

  /** Trying again by itself, what failed stays said until it succeeds. */
  async run(again = false): Promise<void> {
    const signal = this.begin();
    this.typed = undefined;
    const view = this.model.view.get();
    const problem = rangeProblem(view, Date.now());
    if (problem !== "") {
      this.fail(new ApiError(400, { code: "bad_request", message: problem }));
      return;
    }
    const scope = this.currentScope();
    this.model.results.set({
      phase: "loading",
      error: again ? this.model.results.get().error : undefined,
      retryAt: undefined,
      loadingMore: false,
      seeking: "no",
      moreError: undefined,
    });
    const searched = this.firstPage(scope, signal);
    void this.chart(scope, signal);
    if (this.fieldsShown()) void this.fields(scope, signal);
    try {
      await searched;
      this.attempt = 0;
    } catch (error) {
      if (!isAbort(error)) this.fail(asApiError(error));
    }
  }

  /**
   * A search for a query that is being typed. Everything shown stays what it is until rows come or `acceptTyped` is
   * called: half a word is often no query, or finds nothing.
   */
  async runTyped(q: string, onAccepted: () => void): Promise<void> {
    const { phase, error, rows, seeking } = this.model.results.get();
    const complete = phase === "ready" || (phase === "failed" && error?.isQueryError);
    // Where several are typed in a row, it is the state before the first that counts.
    if (this.typed === undefined) this.before = complete && rows.length > 0 ? { phase, error } : undefined;
    const signal = this.begin();
    this.typed = q;
    const scope = this.currentScope(q);
    this.accept = () => {
      if (signal.aborted || this.typed === undefined) return;
      this.typed = undefined;
      this.model.view.set({ q });
      onAccepted();
      void this.chart(scope, signal);
      if (this.fieldsShown()) void this.fields(scope, signal);
    };
    this.model.results.set({ phase: "loading", retryAt: undefined, loadingMore: false, moreError: undefined });
    if (seeking === "running") this.model.results.set({ seeking: "stopped" });
    try {
      await this.firstPage(scope, signal);
      this.attempt = 0;
    } catch (failure) {
      if (isAbort(failure)) return;
      const told = asApiError(failure);
      if (told.isQueryError && this.typed !== undefined) this.giveUpTyped();
      else {
        this.accept();
        this.fail(told);
      }
    }
  }

  /** From now on what comes of the typed query is shown, whatever it is. False where the server has answered already. */
  acceptTyped(q: string): boolean {
    if (this.typed !== q) return false;
    this.accept?.();
    return true;
  }

  /** Back to what was shown before the typed query, which may have cut it off. */
  giveUpTyped(): void {
    if (this.typed === undefined) return;
    this.typed = undefined;
    if (!this.before) {
      void this.run();
      return;
    }
    this.begin();
    this.model.results.set(this.before);
    this.completeShown();
  }

  private async firstPage(scope: Scope, signal: AbortSignal): Promise<void> {
    let early: ReturnType<typeof setTimeout> | undefined;
    const onRows = (rows: LogEvent[]): void => {
      if (this.typed !== undefined) this.accept?.();
      early = setTimeout(() => {
        if (signal.aborted) return;
        this.model.live.set({ pending: [], received: 0 });
        this.model.results.set({ ...this.freshRows(scope, rows.slice()), counting: true });
      }, ROWS_FIRST_MS);
    };
    try {
      const page = await api.search(scope, { limit: FIRST_PAGE }, signal, onRows);
      if (signal.aborted) return;
      const { trailer } = page;
      if (this.typed !== undefined) {
        this.giveUpTyped();
        return;
      }
      this.model.live.set({ ...NO_LIVE, state: this.model.live.get().state });
      this.model.results.set({
        ...this.freshRows(scope, page.rows),
        phase: "ready",
        seeking: "no",
        matched: trailer.matched,
        exact: trailer.relation === "eq",
        cursor: trailer.cursor,
        position: trailer.position,
        words: new Set(trailer.words),
        partial: trailer.partial,
        warnings: trailer.warnings,
        tookMs: trailer.took_ms,
        store: undefined,
        elsewhere: undefined,
      });
      if (this.model.ui.get().server === "away") this.model.ui.set({ server: "ok" });
      this.onReady(trailer.position);
      if (page.rows.length > 0) return;
      if (trailer.cursor === null) await this.explainNothing(scope, signal);
      else await this.seek(signal);
    } finally {
      clearTimeout(early);
    }
  }

  private freshRows(scope: Scope, rows: LogEvent[]): Partial<Results> {
    return { rows, liveRows: 0, released: false, scope, counting: false, error: undefined, words: new Set() };
  }

  private async explainNothing(scope: Scope, signal: AbortSignal): Promise<void> {
    await Promise.all([this.explainEmptiness(signal), this.lookElsewhere(scope, signal)]);
  }

  /** Nothing found: is there anything at all? While there is not, look again, so that the page comes alive by itself. */
  private async explainEmptiness(signal: AbortSignal): Promise<void> {
    const known = await api.status(signal);
    if (signal.aborted) return;
    if (known.events === 0 || this.model.results.get().store === undefined) this.model.results.set({ store: known });
    if (known.events > 0) return;
    this.timer = setTimeout(() => {
      api.status(signal).then(
        (now) => {
          if (signal.aborted) return;
          if (now.events > 0) void this.run();
          else void this.explainEmptiness(signal);
        },
        (error: unknown) => {
          if (!isAbort(error)) this.fail(asApiError(error));
        },
      );
    }, EMPTY_POLL_MS);
  }

  /** Nothing found in the range: a longer one is worth choosing only where it holds something. */
  private async lookElsewhere({ q, from, to }: Scope, signal: AbortSignal): Promise<void> {
    if (from === undefined && to === undefined) return;
    const { rows, trailer } = await api.search({ q }, { limit: 1 }, signal);
    if (signal.aborted) return;
    const newest = rows[0] ? timeOf(rows[0]) : Number.NaN;
    this.model.results.set({ elsewhere: { matched: trailer.matched, exact: trailer.relation === "eq", newest } });
  }

  private fail(error: ApiError): void {
    if (error.status === 401) {
      this.model.ui.set({ tokenAsked: true });
    }
    let retryAt: number | undefined;
    if (error.isTransient) {
      const delay = error.retryAfterS ? error.retryAfterS * 1000 : retryDelay(this.attempt + 1);
      this.attempt += 1;
      retryAt = Date.now() + delay;
      this.timer = setTimeout(() => void this.run(true), delay);
    }
    this.model.results.set({ phase: "failed", error, retryAt, counting: false });
    if (error.isQueryError) this.completeShown();
  }

  /** A query that cannot be read leaves the rows of the one before, whose chart and fields it may have cut off. */
  private completeShown(): void {
    const { rows, scope } = this.model.results.get();
    if (rows.length === 0) return;
    const { signal } = this.abort;
    if (this.model.chart.get().scope !== scope) void this.chart(scope, signal);
    if (this.fieldsShown() && this.model.fields.get().scope !== scope) void this.fields(scope, signal);
  }

  private fieldsShown(): boolean {
    const { sidebar, drawer } = this.model.ui.get();
    return sidebar || drawer;
  }

  /** Counts of `asked`, which may reach further than the `shown` rows were asked for while live ones come. */
  private async chart(asked: Scope, signal: AbortSignal, shown = asked): Promise<void> {
    const buckets = Math.max(30, Math.min(160, Math.floor(window.innerWidth / PIXELS_PER_BAR)));
    try {
      const reply = await api.histogram(asked, buckets, signal);
      if (!signal.aborted) this.model.chart.set({ reply, scope: shown, error: undefined });
    } catch (error) {
      // What is wrong with a query is said at the query.
      const failure = asApiError(error);
      if (!isAbort(error) && !signal.aborted && !failure.isQueryError) this.model.chart.set({ error: failure });
    }
  }

  private async fields(scope: Scope, signal: AbortSignal): Promise<void> {
    try {
      const reply = await api.fields(scope, signal);
      if (!signal.aborted) this.model.fields.set({ list: reply.fields, error: undefined, scope });
    } catch (error) {
      const failure = asApiError(error);
      if (!isAbort(error) && !signal.aborted && !failure.isQueryError) this.model.fields.set({ error: failure });
    }
  }

  async loadMore(): Promise<void> {
    const { cursor, loadingMore, phase, released, seeking } = this.model.results.get();
    if (cursor === null || loadingMore || phase !== "ready" || released || seeking !== "no") return;
    const { signal } = this.abort;
    this.model.results.set({ loadingMore: true, moreError: undefined });
    try {
      const found = await this.nextPage(cursor, signal);
      this.model.results.set({ loadingMore: false });
      if (found === 0 && this.model.results.get().cursor !== null) await this.seek(signal);
    } catch (error) {
      if (!isAbort(error)) this.model.results.set({ loadingMore: false, moreError: asApiError(error) });
    }
  }

  /** Puts the page under the rows and says how many it had. */
  private async nextPage(cursor: string, signal: AbortSignal): Promise<number> {
    const { scope } = this.model.results.get();
    const { rows, trailer } = await api.search(scope, { limit: NEXT_PAGE, cursor, count: "none" }, signal);
    signal.throwIfAborted();
    const now = this.model.results.get();
    // The live list may have let go of the rows that this page would follow.
    if (now.released) {
      this.model.results.set({ cursor: null });
      return 0;
    }
    const lasting = now.warnings.filter((warning) => !NEXT_PAGE_CURES.test(warning));
    this.model.results.set({
      rows: rows.length > 0 ? now.rows.concat(rows) : now.rows,
      cursor: trailer.cursor,
      partial: trailer.partial || (now.partial && lasting.length === now.warnings.length),
      warnings: [...new Set([...lasting, ...trailer.warnings])],
    });
    return rows.length;
  }

  /** Pages that end at the server's deadline may be empty: goes on to older ones until there are rows, within a bound. */
  async seek(run = this.abort.signal): Promise<void> {
    const { results } = this.model;
    this.seekAbort = new AbortController();
    const signal = AbortSignal.any([run, this.seekAbort.signal]);
    results.set({ seeking: "running", moreError: undefined });
    try {
      for (let page = 0; page < SEEK_PAGES_MAX; page += 1) {
        const { cursor, seeking } = results.get();
        if (cursor === null || seeking !== "running") break;
        if ((await this.nextPage(cursor, signal)) > 0) {
          results.set({ seeking: "no" });
          return;
        }
      }
      const { cursor, rows, scope } = results.get();
      results.set({ seeking: cursor === null ? "no" : "stopped" });
      if (cursor === null && rows.length === 0) await this.explainNothing(scope, run);
    } catch (error) {
      if (!isAbort(error)) results.set({ seeking: "stopped", moreError: asApiError(error) });
    }
  }

  /** The page under way is given up: its cursor is the one to go on from. */
  stopSeeking(): void {
    this.seekAbort.abort();
    this.model.results.set({ seeking: "stopped" });
  }

  /** While live rows come, the chart and the opened values follow them. */
  refreshCounts(): Promise<void> {
    const scope = this.currentScope();
    if (this.fieldsShown()) this.model.fields.set({ scope });
    return this.chart(scope, this.abort.signal, this.model.results.get().scope);
  }

  loadFields(): Promise<void> {
    return this.fields(this.currentScope(), this.abort.signal);
  }
}
