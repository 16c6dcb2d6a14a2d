/** What the page knows: one store for each part that changes on its own. */

import type { ApiError } from "../api/errors";
import type { ServerHealth } from "../api/client";
import type { TailState } from "../api/tail";
import type { FieldInfo, HistogramReply, LogEvent, Scalar, Scope, StatusReply } from "../api/types";
import { createStore, type Store } from "./store";
import type { Agent } from "./agents";
import { EMPTY_VIEW, type View } from "./url";

export type Phase = "loading" | "ready" | "failed";

export type Seeking = "no" | "running" | "stopped";

export interface Elsewhere {
  matched: number;
  exact: boolean;
  /** Milliseconds of the newest; NaN where there is none. */
  newest: number;
}

export interface Results {
  phase: Phase;
  /** Newest first: live rows, then those of the search. */
  rows: readonly LogEvent[];
  /** How many of `rows` came by the live stream. */
  liveRows: number;
  /** What was asked, with both ends fixed. */
  scope: Scope;
  /** Rows are there, the count is not yet. */
  counting: boolean;
  matched: number;
  exact: boolean;
  cursor: string | null;
  position: string;
  words: ReadonlySet<string>;
  partial: boolean;
  warnings: readonly string[];
  tookMs: number;
  error: ApiError | undefined;
  /** When a request that may succeed later is tried again. */
  retryAt: number | undefined;
  loadingMore: boolean;
  /** Pages came without rows because the time for them ran out; older events are looked through page by page. */
  seeking: Seeking;
  moreError: ApiError | undefined;
  /** Older rows were dropped to stay within the bound of the live list. */
  released: boolean;
  /** Asked for when nothing was found: tells an empty store from a narrow search. */
  store: StatusReply | undefined;
  /** Where nothing was found in a range: what the query finds at any time. */
  elsewhere: Elsewhere | undefined;
}

export interface Live {
  state: TailState | undefined;
  /** Newest first; held back while the reader is elsewhere in the list. */
  pending: readonly LogEvent[];
  received: number;
  /** Missed because this page was too slow, as told by the server. */
  dropped: number;
  gaps: number;
}

export interface Chart {
  reply: HistogramReply | undefined;
  /** Of which rows it is. */
  scope: Scope;
  error: ApiError | undefined;
}

export interface Fields {
  list: readonly FieldInfo[];
  error: ApiError | undefined;
  /** Changes with every search, so that opened values are read again. */
  scope: Scope;
}

export interface Detail {
  id: string;
  event: LogEvent | undefined;
  error: ApiError | undefined;
}

export interface Agents {
  /** Nothing before the first answer. */
  list: readonly Agent[] | undefined;
  /** The server's clock at that answer. */
  now: number;
  error: ApiError | undefined;
}

export interface ValueMenu {
  field: string;
  value: Scalar;
  x: number;
  y: number;
}

export type Theme = "auto" | "light" | "dark";

export interface Ui {
  /** The text in the query box, which may not have been run yet. */
  draft: string;
  /** The id of the row under the cursor. */
  active: string;
  /** Counts cursor moves that the list must scroll to. */
  reveal: number;
  help: boolean;
  sidebar: boolean;
  /** The fields over everything else, on a phone. */
  drawer: boolean;
  wrap: boolean;
  theme: Theme;
  tokenAsked: boolean;
  tokenRefused: boolean;
  menu: ValueMenu | undefined;
  /** Whether the server answers, asked now and then. */
  server: ServerHealth;
  /** Said to screen readers and shown for a moment. */
  notice: string;
}

export interface Model {
  view: Store<View>;
  results: Store<Results>;
  live: Store<Live>;
  chart: Store<Chart>;
  fields: Store<Fields>;
  detail: Store<Detail>;
  agents: Store<Agents>;
  ui: Store<Ui>;
}

const NO_SCOPE: Scope = { q: "" };

export const NO_RESULTS: Results = {
  phase: "loading",
  rows: [],
  liveRows: 0,
  scope: NO_SCOPE,
  counting: false,
  matched: 0,
  exact: true,
  cursor: null,
  position: "",
  words: new Set(),
  partial: false,
  warnings: [],
  tookMs: 0,
  error: undefined,
  retryAt: undefined,
  loadingMore: false,
  seeking: "no",
  moreError: undefined,
  released: false,
  store: undefined,
  elsewhere: undefined,
};

export const NO_LIVE: Live = { state: undefined, pending: [], received: 0, dropped: 0, gaps: 0 };

const NO_UI: Ui = {
  draft: "",
  active: "",
  reveal: 0,
  help: false,
  sidebar: false,
  drawer: false,
  wrap: false,
  theme: "auto",
  tokenAsked: false,
  tokenRefused: false,
  menu: undefined,
  server: "ok",
  notice: "",
};

export function createModel(): Model {
  return {
    view: createStore<View>(EMPTY_VIEW),
    results: createStore<Results>(NO_RESULTS),
    live: createStore<Live>(NO_LIVE),
    chart: createStore<Chart>({ reply: undefined, scope: NO_SCOPE, error: undefined }),
    fields: createStore<Fields>({ list: [], error: undefined, scope: NO_SCOPE }),
    detail: createStore<Detail>({ id: "", event: undefined, error: undefined }),
    agents: createStore<Agents>({ list: undefined, now: 0, error: undefined }),
    ui: createStore<Ui>(NO_UI),
  };
}
