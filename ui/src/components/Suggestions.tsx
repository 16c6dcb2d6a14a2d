/** Field names and values offered at the caret of the query box. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { wordAtCaret, type CaretWord } from "../state/querytext";
import { resolveRange } from "../state/timerange";
import { suggest, type Suggestion } from "../state/suggest";
import { useSession } from "../state/session";

const WAIT_MS = 120;

export interface SuggestionState {
  items: readonly Suggestion[];
  at: number;
  update(): void;
  close(): void;
  accept(index: number): void;
  /** True when the key was used up. */
  onKeyDown(event: KeyboardEvent): boolean;
}

export function useSuggestions(box: RefObject<HTMLTextAreaElement | null>): SuggestionState {
  const session = useSession();
  const [items, setItems] = useState<readonly Suggestion[]>([]);
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
    session.type(node.value);
    close();
    if (target.kind === "field") void load();
  };

  const update = (): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void load(), WAIT_MS);
  };

  const onKeyDown = (event: KeyboardEvent): boolean => {
    if (event.key === " " && event.ctrlKey) void load();
    else if (items.length === 0) return false;
    else if (event.key === "ArrowDown") setAt((at + 1) % items.length);
    else if (event.key === "ArrowUp") setAt(at <= 0 ? items.length - 1 : at - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Tab" && !event.shiftKey) accept(Math.max(0, at));
    else if (event.key === "Enter" && !event.shiftKey && at >= 0) accept(at);
    else return false;
    return true;
  };

  return { items, at, update, close, accept, onKeyDown };
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
