/** The page as one object: the model, and every action that a component or a key can ask for. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import * as api from "../api/client";
import { asApiError, isAbort } from "../api/errors";
import type { LogEvent, Scalar } from "../api/types";
import { AgentWatch } from "./agentwatch";
import { BESIDE_MIN_PX, PHONE } from "./layout";
import { Living } from "./living";
import { formatCount } from "./format";
import { createModel, NO_LIVE, type Model, type Theme } from "./model";
import { addFilter, hasFilter, removeFilter } from "./querytext";
import { Searching } from "./searching";
import { Typing } from "./typing";
import { Watching } from "./watching";
import { copyLine, eventId, eventLevel } from "./rows";
import { isSevere } from "./levels";
import { applyTheme, readFlag, readTheme, writeFlag } from "./settings";
import { absoluteRange, widenRange, type Range } from "./timerange";
import { formatView, parseView, sameSearch, type View } from "./url";

/** How many pages the key for the next error may load. */
const ERROR_PAGES_MAX = 10;

export class Session {
  readonly model: Model = createModel();
  private readonly searching: Searching;
  private readonly living: Living;
  private readonly typing: Typing;
  private readonly watching: Watching;
  private readonly agentWatch: AgentWatch;
  private readonly zoomedFrom: Range[] = [];
  private detailAbort = new AbortController();

  constructor() {
    this.searching = new Searching(this.model, (position) => {
      if (this.model.view.get().live) this.living.start(position);
    });
    this.living = new Living(this.model, () => this.searching.refreshCounts());
    this.typing = new Typing(this.model, {
      ask: (q) => void this.searching.runTyped(q, () => this.leaveRows()),
      insist: (q) => {
        if (this.searching.acceptTyped(q)) return;
        this.model.view.set({ q });
        this.rerun();
      },
      giveUp: () => this.searching.giveUpTyped(),
    });
    this.agentWatch = new AgentWatch(this.model);
    this.watching = new Watching(this.model, () => {
      this.notify("The server answers again");
      if (this.model.results.get().retryAt !== undefined) void this.searching.run(true);
    });
  }

  /** Reads the address and the kept choices, and runs the first search. */
  open(): void {
    const view = parseView(location.search);
    const theme = readTheme();
    applyTheme(theme);
    this.model.view.set(view);
    this.model.ui.set({
      draft: view.q,
      theme,
      wrap: readFlag("wrap", false),
      sidebar: window.innerWidth >= BESIDE_MIN_PX && readFlag("sidebar", true),
      active: view.event,
    });
    window.addEventListener("popstate", () => this.restore(parseView(location.search)));
    void this.searching.run();
    this.loadDetail(view.event);
    this.watching.start();
  }

  private restore(view: View): void {
    this.typing.stop();
    const before = this.model.view.get();
    this.model.view.set(view);
    this.model.ui.set({ draft: view.q, menu: undefined });
    if (!sameSearch(before, view) || (view.live && !before.live)) this.rerun();
    else if (!view.live) this.living.stop();
    if (view.event !== before.event) this.loadDetail(view.event);
  }

  /** Changes the view and the address; a changed search runs. Whatever changes is about the events, unless it names another page. */
  navigate(change: Partial<View>, history: "push" | "replace" = "push"): void {
    const before = this.model.view.get();
    const view: View = { ...before, page: "", ...change };
    this.model.view.set(view);
    const address = location.pathname + formatView(view);
    if (history === "push" && address !== location.pathname + location.search) window.history.pushState(null, "", address);
    else window.history.replaceState(window.history.state, "", address);
    if (!sameSearch(before, view)) this.rerun();
  }

  /** The rows to come are of another search. */
  private leaveRows(): void {
    this.living.stop();
    this.living.follow(true);
  }

  private rerun(): void {
    this.leaveRows();
    void this.searching.run();
  }

  /** Runs the text in the box, also when it has not changed. */
  run(): void {
    this.typing.stop();
    const q = this.model.ui.get().draft.trim();
    this.model.ui.set({ draft: q });
    const failed = this.model.results.get().phase === "failed";
    if (q === this.model.view.get().q && (failed || !this.isTypedOnly())) this.rerun();
    this.navigate({ q });
  }

  /** What is searched has been typed only: the address is still that of the search before. */
  private isTypedOnly(): boolean {
    return parseView(location.search).q !== this.model.view.get().q;
  }

  /** The text in the box changes under the hands of someone who types. */
  type(draft: string): void {
    this.model.ui.set({ draft });
    if (this.model.view.get().page !== "") this.showAgents(false);
    this.typing.changed();
  }

  /** The box is left: what was typed gets its place in the address and in the history. */
  settle(): void {
    const { q } = this.model.view.get();
    if (this.model.ui.get().draft.trim() !== q || this.isTypedOnly()) this.run();
  }

  setQuery(q: string): void {
    this.model.ui.set({ draft: q });
    this.run();
  }

  /** Adds the filter, or takes it out where it is already. */
  filter(field: string, value: Scalar, exclude: boolean): void {
    this.model.ui.set({ menu: undefined });
    const { draft } = this.model.ui.get();
    const change = hasFilter(draft, field, value, exclude) ? removeFilter : addFilter;
    this.setQuery(change(draft, field, value, exclude));
  }

  setRange(range: Range): void {
    this.zoomedFrom.length = 0;
    this.applyRange(range);
  }

  private applyRange(range: Range): void {
    // Live rows are later than any fixed end.
    this.navigate({ ...range, live: range.to === "" && this.model.view.get().live });
  }

  zoomTo(from: number, to: number): void {
    const { from: oldFrom, to: oldTo } = this.model.view.get();
    this.zoomedFrom.push({ from: oldFrom, to: oldTo });
    this.applyRange(absoluteRange(from, to));
  }

  /** Back to the range before the last zoom, or twice as much time. */
  zoomOut(): void {
    const before = this.zoomedFrom.pop();
    if (before) {
      this.applyRange(before);
      return;
    }
    const { from, to } = this.model.view.get();
    const reply = this.model.chart.get().reply;
    if ((from === "" && to === "") || !reply || reply.to <= reply.from) return;
    this.applyRange(widenRange(reply.from, reply.to, Date.now()));
  }

  setLive(live: boolean): void {
    if (!live) {
      this.living.stop();
      this.navigate({ live });
      return;
    }
    this.model.live.set(NO_LIVE);
    const before = this.model.view.get();
    this.navigate({ live, to: "" });
    // Otherwise the range changed and navigate() has already run the search.
    if (before.to === "") this.rerun();
  }

  loadMore(): void {
    void this.searching.loadMore();
  }

  seek(): void {
    void this.searching.seek();
  }

  stopSeeking(): void {
    this.searching.stopSeeking();
  }

  follow(yes: boolean): void {
    this.living.follow(yes);
  }

  setToken(token: string): void {
    api.setToken(token);
    this.model.ui.set({ tokenAsked: false, tokenRefused: true });
    this.rerun();
    this.loadDetail(this.model.view.get().event);
    if (this.model.view.get().page === "agents") this.agentWatch.start();
  }

  // The cursor and the detail panel.

  activeIndex(): number {
    const { active } = this.model.ui.get();
    return active === "" ? -1 : this.model.results.get().rows.findIndex((row) => eventId(row) === active);
  }

  activate(index: number): void {
    const { rows } = this.model.results.get();
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (!row) return;
    const { reveal } = this.model.ui.get();
    this.model.ui.set({ active: eventId(row), reveal: reveal + 1 });
    if (this.model.view.get().event !== "") this.showEvent(row);
    if (index >= rows.length - 1) this.loadMore();
  }

  move(delta: number): void {
    const at = this.activeIndex();
    this.activate(at < 0 ? 0 : Math.max(0, at + delta));
  }

  /** The next or previous error; looking down, further pages are loaded, but not without end. */
  async moveToError(step: 1 | -1): Promise<void> {
    const { results } = this.model;
    const { scope } = results.get();
    let at = this.activeIndex() + step;
    for (let page = 0; page <= ERROR_PAGES_MAX; page += 1) {
      const { rows } = results.get();
      for (; at >= 0 && at < rows.length; at += step) {
        const row = rows[at];
        if (row && isSevere(eventLevel(row))) {
          this.activate(at);
          return;
        }
      }
      if (step < 0 || results.get().cursor === null) break;
      await this.searching.loadMore();
      // A new search, or a page that did not come: looking on would show something else.
      if (results.get().scope !== scope || results.get().rows.length === rows.length) return;
    }
    const { rows } = results.get();
    this.notify(`No ${step > 0 ? "older" : "newer"} error among the ${formatCount(rows.length)} loaded rows`);
  }

  openActive(): void {
    const row = this.model.results.get().rows[this.activeIndex()];
    if (row) this.showEvent(row);
  }

  showEvent(row: LogEvent): void {
    const id = eventId(row);
    if (id === "") return;
    const wasOpen = this.model.view.get().event !== "";
    this.model.ui.set({ active: id });
    this.model.detail.set({ id, event: row, error: undefined });
    this.navigate({ event: id }, wasOpen ? "replace" : "push");
    if (!wasOpen) window.history.replaceState({ detail: true }, "");
  }

  closeEvent(): void {
    // Where opening made an entry, closing goes back over it: the Back button then never seems dead.
    if ((window.history.state as { detail?: boolean } | null)?.detail) window.history.back();
    else this.navigate({ event: "" }, "replace");
  }

  private loadDetail(id: string): void {
    this.detailAbort.abort();
    this.detailAbort = new AbortController();
    const { signal } = this.detailAbort;
    const event = this.model.results.get().rows.find((row) => eventId(row) === id);
    this.model.detail.set({ id, event, error: undefined });
    if (id === "" || event) return;
    api.eventById(id, signal).then(
      (found) => {
        if (!signal.aborted) this.model.detail.set({ event: found });
      },
      (error: unknown) => {
        if (!isAbort(error)) this.model.detail.set({ error: asApiError(error) });
      },
    );
  }

  // The agents.

  showAgents(yes: boolean): void {
    this.navigate(yes ? { page: "agents", event: "" } : { page: "" });
  }

  watchAgents(yes: boolean): void {
    if (yes) this.agentWatch.start();
    else this.agentWatch.stop();
  }

  // Smaller things.

  notify(notice: string): void {
    this.model.ui.set({ notice });
  }

  async copy(text: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.notify(`Copied ${what}`);
    } catch {
      this.notify("The browser did not allow copying");
    }
  }

  copyActive(): void {
    const row = this.model.results.get().rows[this.activeIndex()] ?? this.model.detail.get().event;
    if (row) void this.copy(copyLine(row), "the line");
  }

  copyPermalink(id: string): void {
    const view = { ...this.model.view.get(), event: id, live: false };
    void this.copy(location.origin + location.pathname + formatView(view), "a link to this event");
  }

  setTheme(theme: Theme): void {
    applyTheme(theme);
    this.model.ui.set({ theme });
  }

  /** Beside the rows, or on a phone over them. What is chosen there is not kept for wider windows. */
  toggleFields(): void {
    if (matchMedia(PHONE).matches) this.openDrawer(!this.model.ui.get().drawer);
    else this.toggleSidebar();
  }

  openDrawer(drawer: boolean): void {
    this.model.ui.set({ drawer });
    if (drawer) void this.searching.loadFields();
  }

  private toggleSidebar(): void {
    const sidebar = !this.model.ui.get().sidebar;
    writeFlag("sidebar", sidebar);
    this.model.ui.set({ sidebar });
    if (sidebar) void this.searching.loadFields();
  }

  toggleWrap(): void {
    const wrap = !this.model.ui.get().wrap;
    writeFlag("wrap", wrap);
    this.model.ui.set({ wrap });
  }
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("SessionContext is missing");
  return session;
}
