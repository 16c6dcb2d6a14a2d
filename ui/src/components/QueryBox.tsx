/** The query: one line that grows, errors underlined where the server found them, suggestions at the caret. */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { ApiError } from "../api/errors";
import { byteSpanToChars } from "../state/querytext";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { CloseIcon, SearchIcon } from "./icons";
import { Suggestions, useSuggestions } from "./Suggestions";

export function QueryBox() {
  const session = useSession();
  const { ui, view, results } = session.model;
  const draft = useStore(ui, (u) => u.draft);
  const ran = useStore(view, (v) => v.q);
  const failure = useStore(results, (r) => (r.error?.isQueryError ? r.error : undefined));
  const box = useRef<HTMLTextAreaElement>(null);
  const under = useRef<HTMLPreElement>(null);
  const suggestions = useSuggestions(box);
  // The mark belongs to the text that was run; once it is edited the message stays and the mark goes.
  const span = failure?.span && draft === ran ? byteSpanToChars(draft, failure.span) : undefined;

  useGrowth(box, draft);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (suggestions.onKeyDown(event)) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      suggestions.close();
      session.run();
    } else if (event.key === "Escape") {
      box.current?.blur();
    } else if (event.key === "ArrowDown" && !event.shiftKey && !draft.includes("\n")) {
      event.preventDefault();
      document.getElementById("rows")?.focus();
      session.move(1);
    }
  };

  return (
    <search class="query">
      <div class={`query-box ${failure ? "invalid" : ""}`}>
        <SearchIcon />
        <div class="query-text">
          <pre ref={under} class="query-under" aria-hidden="true">
            {span ? <Marked text={draft} span={span} /> : draft}
          </pre>
          <textarea
            ref={box}
            id="query"
            class="query-input"
            rows={1}
            value={draft}
            placeholder={'Search: error, "a phrase", level:>=warn, service:api'}
            aria-label="Query"
            aria-invalid={failure !== undefined}
            aria-describedby={failure ? "query-error" : undefined}
            aria-autocomplete="list"
            aria-haspopup="listbox"
            aria-controls="suggestions"
            aria-activedescendant={suggestions.at >= 0 ? `suggestion-${suggestions.at}` : undefined}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            enterkeyhint="search"
            onInput={(event) => {
              session.type(event.currentTarget.value);
              suggestions.update();
            }}
            onClick={suggestions.close}
            onBlur={() => {
              suggestions.close();
              session.settle();
            }}
            onScroll={(event) => under.current?.scrollTo(0, event.currentTarget.scrollTop)}
            onKeyDown={onKeyDown}
          />
        </div>
        {draft !== "" && <ClearButton onClear={() => box.current?.focus()} />}
      </div>
      <Suggestions state={suggestions} />
      {failure && <QueryProblem error={failure} />}
    </search>
  );
}

/** As many lines as the text has; the style sheet says when it scrolls instead. */
function useGrowth(box: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => {
    const node = box.current;
    if (!node) return;
    node.style.height = "auto";
    node.style.height = `${node.scrollHeight}px`;
  }, [box, text]);
}

function ClearButton({ onClear }: { onClear: () => void }) {
  const session = useSession();
  const clear = (): void => {
    session.setQuery("");
    onClear();
  };
  return (
    <button
      type="button"
      class="button quiet square small"
      aria-label="Clear the query"
      title="Clear the query"
      onMouseDown={(event) => event.preventDefault()}
      onClick={clear}
    >
      <CloseIcon />
    </button>
  );
}

function QueryProblem({ error }: { error: ApiError }) {
  return (
    <p id="query-error" class="query-error" role="alert">
      {error.message}
      {error.hint && <span class="query-hint"> {error.hint}</span>}
    </p>
  );
}

function Marked({ text, span: [start, end] }: { text: string; span: [number, number] }) {
  // An empty span stands between two characters, mostly at the end: a blank carries its mark.
  const marked = text.slice(start, end) || " ";
  return (
    <>
      {text.slice(0, start)}
      <mark>{marked}</mark>
      {text.slice(Math.max(end, start))}
    </>
  );
}
