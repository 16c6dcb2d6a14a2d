/** The shapes of docs/API.md. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type LogEvent = { [key: string]: Json } & { _id?: string };

export interface Trailer {
  took_ms: number;
  rows: number;
  matched: number;
  relation: "eq" | "gte";
  cursor: string | null;
  position: string;
  words: string[];
  partial: boolean;
  warnings: string[];
}

export interface HistogramReply {
  from: number;
  to: number;
  step_ms: number;
  series: { key: string; counts: number[] }[];
  total: number;
  /** With `gte` the counts are at least these, and `warnings` say why. */
  relation: "eq" | "gte";
  warnings: string[];
  took_ms: number;
}

export interface FieldInfo {
  name: string;
  types: string[];
  count: number;
}

export interface FieldsReply {
  fields: FieldInfo[];
  took_ms: number;
}

export type Scalar = string | number | boolean;

export interface ValuesReply {
  field: string;
  values: { value: Scalar; count: number }[];
  distinct: number;
  matched: number;
  missing: number;
  /** With `gte` the numbers are at least these, and `warnings` say why. */
  relation: "eq" | "gte";
  warnings: string[];
  took_ms: number;
}

export interface StatusReply {
  version: string;
  status: string;
  idle: boolean;
  events: number;
  bytes_on_disk: number;
  first_event?: string | null;
  last_event?: string | null;
}

/** `status` is what the agent says of itself, in whatever version. */
export interface AgentsReply {
  agents: { name: string; seen: string; skew_ms: number | null; status: Json }[];
}

/** What a search covers. `from` and `to` are milliseconds; an absent end is open. */
export interface Scope {
  q: string;
  from?: number;
  to?: number;
}
