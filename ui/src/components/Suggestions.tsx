/** Field names and values offered at the caret of the query box. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/client";
import { quote, wordAtCaret, type CaretWord } from "../state/querytext";
import { resolveRange } from "../state/timerange";
import { formatCompact } from "../state/format";
import { useSession } from "../state/session";

const SHOWN_MAX = 10;
const VALUES_ASKED = 50;
const WAIT_MS = 120;
const BARE_VALUE = /^[\p{L}\p{N}_][\p{L}\p{N}_.\-/]*$/u;

/** Always there, and what people type first. */
const SHORT_NAMES = ["level", "service", "host", "status", "method", "path", "ip", "duration", "trace_id", "error"];

interface Item {
  text: string;
  insert: string;
  note: string;
}

export interface SuggestionState {
  items: readonly Item[];
  at: number;
  update(): void;
  close(): void;
  accept(index: number): void;
  /** True when the key was used up. */
  onKeyDown(event: KeyboardEvent): boolean;
}

export function useSuggestions(box: RefObject<HTMLTextAreaElement | null>): SuggestionState {
  const session = useSession();
  const [items, setItems] = useState<readonly Item[]>([]);
  const [at, setAt] = useState(-1);
  const word = useRef<CaretWord | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const abort = useRef(new AbortController());

  const close = (): void => {
    clearTimeout(timer.current);
    abort.current.abort();
    setItems([]);
    setAt(-1);
  };
  useEffect(() => close, []);

  const load = async (): Promise<void> => {
    const node = box.current;
    if (!node) return;
    abort.current.abort();
    abort.current = new AbortController();
    const { signal } = abort.current;
    const found = wordAtCaret(node.value, node.selectionStart);
    word.current = found;
    const { from, to } = session.model.view.get();
    const range = resolveRange({ from, to }, Date.now());
    try {
      const next = found ? await suggest(found, range, signal) : [];
      if (!signal.aborted) {
        setItems(next);
        setAt(-1);
      }
    } catch {
      // Suggestions are an extra: when they fail, typing goes on without them.
      setItems([]);
    }
  };

  const accept = (index: number): void => {
    const item = items[index];
    const target = word.current;
    const node = box.current;
    if (!item || !target || !node) return;
    node.setRangeText(item.insert, target.start, target.end, "end");
    session.model.ui.set({ draft: node.value });
    close();
    if (target.kind === "field") void load();
  };

  const update = (): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void load(), WAIT_MS);
  };

  const onKeyDown = (event: KeyboardEvent): boolean => {
    if (event.key === " " && event.ctrlKey) {
      void load();
      return true;
    }
    if (items.length === 0) return false;
    if (event.key === "ArrowDown") setAt((at + 1) % items.length);
    else if (event.key === "ArrowUp") setAt(at <= 0 ? items.length - 1 : at - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Tab" && !event.shiftKey) accept(Math.max(0, at));
    else if (event.key === "Enter" && !event.shiftKey && at >= 0) accept(at);
    else return false;
    return true;
  };

  return { items, at, update, close, accept, onKeyDown };
}

async function suggest(word: CaretWord, range: { from?: number; to?: number }, signal: AbortSignal): Promise<Item[]> {
  const typed = word.typed.toLowerCase();
  if (word.kind === "field") {
    if (typed.length === 0) return [];
    const { fields } = await api.fields({ q: "", ...range }, signal);
    const names = new Map(SHORT_NAMES.map((name) => [name, ""]));
    for (const field of fields) names.set(field.name, formatCompact(field.count));
    return [...names]
      .filter(([name]) => name.toLowerCase().includes(typed))
      .sort(([a], [b]) => rank(a, typed) - rank(b, typed))
      .slice(0, SHOWN_MAX)
      .map(([name, note]) => ({ text: name, insert: `${name}:`, note }));
  }
  const { values } = await api.fieldValues(await realName(word.field, range, signal), { q: "", ...range }, VALUES_ASKED, signal);
  return values
    .map(({ value, count }) => ({ text: String(value), note: formatCompact(count) }))
    .filter(({ text }) => text.toLowerCase().includes(typed) && text.toLowerCase() !== typed)
    .sort((a, b) => rank(a.text, typed) - rank(b.text, typed))
    .slice(0, SHOWN_MAX)
    .map((item) => ({ ...item, insert: `${BARE_VALUE.test(item.text) ? item.text : quote(item.text)} ` }));
}

function rank(text: string, typed: string): number {
  return text.toLowerCase().startsWith(typed) ? 0 : 1;
}

const LONG_NAMES: Record<string, string> = {
  level: "log.level",
  service: "service.name",
  host: "host.name",
  status: "http.response.status_code",
  method: "http.request.method",
  path: "url.original",
  ip: "source.ip",
  trace_id: "trace.id",
  error: "error.message",
  user: "user.name",
};

/** The values of a short name are those of the field it stands for, where the events have that one. */
async function realName(name: string, range: { from?: number; to?: number }, signal: AbortSignal): Promise<string> {
  const long = LONG_NAMES[name];
  if (!long) return name;
  const { fields } = await api.fields({ q: "", ...range }, signal);
  return fields.some((field) => field.name === long) ? long : name;
}

export function Suggestions({ state }: { state: SuggestionState }) {
  return (
    <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden={state.items.length === 0}>
      {state.items.map((item, i) => (
        <li
          key={item.text}
          id={`suggestion-${i}`}
          role="option"
          aria-selected={i === state.at}
          class={i === state.at ? "at" : ""}
          onPointerDown={(event) => {
            event.preventDefault();
            state.accept(i);
          }}
        >
          <span class="mono">{item.text}</span>
          <span class="note">{item.note}</span>
        </li>
      ))}
    </ul>
  );
}
