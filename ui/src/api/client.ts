/** One door to the server: adds the token, turns every failure into an `ApiError`. */

import { ApiError, asApiError, errorOf, isAbort, type ErrorBody } from "./errors";
import { readNdjson } from "./streams";
import type {
  AgentsReply,
  FieldsReply,
  HistogramReply,
  LogEvent,
  Scope,
  StatusReply,
  Trailer,
  ValuesReply,
} from "./types";

// The token lives in this variable only: not in storage, not in the address, gone with the tab.
let token = "";

export function setToken(value: string): void {
  token = value;
}

export function hasToken(): boolean {
  return token !== "";
}

type Params = Record<string, string | number | undefined>;

function address(path: string, params: Params): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? `/api/v1/${path}` : `/api/v1/${path}?${text}`;
}

export async function request(
  path: string,
  params: Params,
  signal?: AbortSignal,
  headers: Record<string, string> = {},
): Promise<Response> {
  const init: RequestInit = { headers: { ...headers }, cache: "no-store" };
  if (signal) init.signal = signal;
  if (token !== "") (init.headers as Record<string, string>)["Authorization"] = `Bearer ${token}`;
  try {
    const reply = await fetch(address(path, params), init);
    if (!reply.ok) throw await errorOf(reply);
    return reply;
  } catch (error) {
    throw isAbort(error) ? error : asApiError(error);
  }
}

async function json<T>(path: string, params: Params, signal?: AbortSignal): Promise<T> {
  const reply = await request(path, params, signal);
  return (await reply.json()) as T;
}

function scopeParams(scope: Scope): Params {
  return { q: scope.q, from: scope.from, to: scope.to };
}

export interface SearchPage {
  rows: LogEvent[];
  trailer: Trailer;
}

type SearchLine = LogEvent & { _trailer?: Trailer };

/** A failure after the first row takes the place of the trailer; an event, which may have a field `error`, has an id. */
function failureIn(line: SearchLine): ApiError | undefined {
  const body = line["error"] as unknown as ErrorBody | undefined;
  return line._id === undefined && body?.message ? new ApiError(0, body) : undefined;
}

/** One page of a search. `onRows` is given the growing list at its first row, before the trailer with the count. */
export async function search(
  scope: Scope,
  options: { limit: number; cursor?: string; count?: "exact" | "none" },
  signal: AbortSignal,
  onRows?: (rows: LogEvent[]) => void,
): Promise<SearchPage> {
  const reply = await request("search", { ...scopeParams(scope), ...options }, signal);
  const rows: LogEvent[] = [];
  let trailer: Trailer | undefined;
  try {
    if (reply.body) {
      await readNdjson(reply.body, (value) => {
        const line = value as SearchLine;
        const failure = failureIn(line);
        if (failure) throw failure;
        if (line._trailer) trailer = line._trailer;
        else if (rows.push(line) === 1) onRows?.(rows);
      });
    }
  } catch (error) {
    throw isAbort(error) ? error : asApiError(error);
  }
  if (!trailer) {
    throw new ApiError(0, {
      code: "cut_off",
      message: "The answer was cut off before its end.",
      hint: "Run the search again.",
    });
  }
  return { rows, trailer };
}

export function histogram(scope: Scope, buckets: number, signal: AbortSignal): Promise<HistogramReply> {
  return json("histogram", { ...scopeParams(scope), buckets, by: "level" }, signal);
}

export function fields(scope: Scope, signal?: AbortSignal): Promise<FieldsReply> {
  return json("fields", scopeParams(scope), signal);
}

export function fieldValues(
  field: string,
  scope: Scope,
  limit: number,
  signal?: AbortSignal,
): Promise<ValuesReply> {
  return json("fields/values", { field, ...scopeParams(scope), limit }, signal);
}

export function eventById(id: string, signal?: AbortSignal): Promise<LogEvent> {
  return json(`events/${encodeURIComponent(id)}`, {}, signal);
}

export function status(signal?: AbortSignal): Promise<StatusReply> {
  return json("status", {}, signal);
}

/** With the server's clock, by which their times are: the browser's may be another. */
export async function agents(signal: AbortSignal): Promise<{ reply: AgentsReply; now: number }> {
  const reply = await request("agents", {}, signal);
  const date = Date.parse(reply.headers.get("Date") ?? "");
  return { reply: (await reply.json()) as AgentsReply, now: Number.isNaN(date) ? Date.now() : date };
}

/** As `/api/v1/health` says it; `away` where nobody does. */
export type ServerHealth = "ok" | "replaying" | "full" | "read_only" | "away";

const HEALTH_WAIT_MS = 5000;
const STATES: readonly string[] = ["ok", "replaying", "full", "read_only"] satisfies ServerHealth[];

export async function health(): Promise<ServerHealth> {
  try {
    const reply = await fetch("/api/v1/health", { cache: "no-store", signal: AbortSignal.timeout(HEALTH_WAIT_MS) });
    const { status: told } = (await reply.json()) as { status?: string };
    return STATES.includes(told ?? "") ? (told as ServerHealth) : "away";
  } catch {
    return "away";
  }
}
