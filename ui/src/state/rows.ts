/** Reading an event: the parts a row shows and the flat list of fields the detail shows. */

import type { Json, LogEvent, Scalar } from "../api/types";
import { levelOf, type Level } from "./levels";

/** The value at a dotted name, whether nested (`log: {level}`) or kept as one key (`"log.level"`). */
export function fieldAt(event: LogEvent, name: string): Json | undefined {
  if (name in event) return event[name];
  let node: Json | undefined = event;
  for (const part of name.split(".")) {
    if (node === null || typeof node !== "object" || Array.isArray(node)) return undefined;
    node = node[part];
  }
  return node;
}

function textAt(event: LogEvent, name: string): string {
  const value = fieldAt(event, name);
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

export function eventId(event: LogEvent): string {
  return event._id ?? "";
}

export function timeOf(event: LogEvent): number {
  const value = event["@timestamp"];
  return typeof value === "string" ? Date.parse(value) : Number.NaN;
}

export function levelNameOf(event: LogEvent): string {
  return textAt(event, "log.level") || textAt(event, "level");
}

export function eventLevel(event: LogEvent): Level {
  return levelOf(levelNameOf(event));
}

export function serviceOf(event: LogEvent): string {
  return textAt(event, "service.name") || textAt(event, "service");
}

export function messageOf(event: LogEvent): string {
  const message = event["message"];
  return typeof message === "string" ? message : message === undefined ? "" : JSON.stringify(message);
}

export interface FirstLine {
  text: string;
  /** Lines that the row does not show. */
  more: number;
}

export function firstLine(message: string): FirstLine {
  const end = message.indexOf("\n");
  if (end < 0) return { text: message, more: 0 };
  let more = 1;
  for (let at = message.indexOf("\n", end + 1); at >= 0; at = message.indexOf("\n", at + 1)) more += 1;
  if (message.endsWith("\n")) more -= 1;
  const cut = message[end - 1] === "\r" ? end - 1 : end;
  return { text: message.slice(0, cut), more };
}

export interface FlatField {
  name: string;
  values: Scalar[];
  isList: boolean;
}

/** Leaves by their dotted names, in the event's order. Lists keep their scalars; objects in lists become JSON text. */
export function flatten(event: LogEvent): FlatField[] {
  const out: FlatField[] = [];
  const walk = (prefix: string, value: Json): void => {
    if (value === null) return;
    if (Array.isArray(value)) {
      out.push({ name: prefix, values: value.map(leaf), isList: true });
    } else if (typeof value === "object") {
      for (const [key, child] of Object.entries(value)) walk(prefix === "" ? key : `${prefix}.${key}`, child);
    } else {
      out.push({ name: prefix, values: [value], isList: false });
    }
  };
  for (const [key, value] of Object.entries(event)) if (key !== "_id") walk(key, value);
  return out;
}

function leaf(value: Json): Scalar {
  return value === null || typeof value === "object" ? JSON.stringify(value) : value;
}

const SUMMARY_HIDDEN = new Set(["@timestamp", "@version", "message", "log.level", "level", "service.name", "service"]);
const SUMMARY_FIELDS_MAX = 12;

/** The first fields as `name=value`, for rows without a message. */
export function fieldSummary(event: LogEvent): string {
  const out: string[] = [];
  for (const { name, values } of flatten(event)) {
    if (SUMMARY_HIDDEN.has(name)) continue;
    out.push(`${name}=${values.join(",")}`);
    if (out.length === SUMMARY_FIELDS_MAX) break;
  }
  return out.join("  ");
}

/** What `y` copies: the time as stored, level, service and the whole message (or the JSON where there is none). */
export function copyLine(event: LogEvent): string {
  const message = messageOf(event);
  if (message === "") return JSON.stringify({ ...event, _id: undefined });
  const time = textAt(event, "@timestamp");
  return [time, levelNameOf(event).toUpperCase(), serviceOf(event), message].filter(Boolean).join(" ");
}
