/** The fields of what was searched, each with its most frequent values. */

import { useEffect, useState } from "preact/hooks";
import * as api from "../api/client";
import { asApiError, isAbort, type ApiError } from "../api/errors";
import type { FieldInfo, ValuesReply } from "../api/types";
import { atLeast, formatCompact, formatCount, plural } from "../state/format";
import { BESIDE_MIN_PX } from "../state/layout";
import { hasFilter } from "../state/querytext";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { Dialog } from "./Dialog";
import { ChevronIcon, MinusIcon } from "./icons";

const PINNED = ["log.level", "service.name", "host.name"];
const VALUES_SHOWN = 10;
const HIDDEN = new Set(["@timestamp", "message"]);

function ordered(fields: readonly FieldInfo[], filter: string): FieldInfo[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = fields.filter(({ name }) => !HIDDEN.has(name) && words.every((w) => name.toLowerCase().includes(w)));
  const pin = (name: string): number => (PINNED.includes(name) ? PINNED.indexOf(name) : PINNED.length);
  return wanted.toSorted((a, b) => pin(a.name) - pin(b.name));
}

/** The list of a phone: over the rows, with the way back to them at its end. */
export function FieldDrawer() {
  const session = useSession();
  const { phase, matched, exact, counting } = useStore(session.model.results, (r) => r);
  const close = (): void => session.openDrawer(false);
  const counted = phase === "ready" && !counting;
  return (
    <Dialog title="Fields" drawer onClose={close}>
      <Sidebar />
      <div class="drawer-end">
        <button type="button" class="button primary" onClick={close}>
          {counted ? `Show ${exact ? "" : "at least "}${plural(matched, "event")}` : "Show the events"}
        </button>
      </div>
    </Dialog>
  );
}

export function Sidebar() {
  const session = useSession();
  const { list, error } = useStore(session.model.fields, (f) => f);
  // Where the search failed too, the list of rows says why.
  const failed = useStore(session.model.results, (r) => r.phase === "failed");
  const [filter, setFilter] = useState("");
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(PINNED.slice(0, 2)));
  const shown = ordered(list, filter);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || window.innerWidth >= BESIDE_MIN_PX || session.model.ui.get().drawer) return;
    event.preventDefault();
    session.toggleFields();
    document.querySelector<HTMLElement>(".sidebar-toggle")?.focus();
  };
  const toggle = (name: string): void => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  return (
    <nav class="sidebar" aria-label="Fields" onKeyDown={onKeyDown}>
      <div class="sidebar-head">
        <input
          class="input small"
          type="search"
          placeholder={list.length > 0 ? `Find in ${plural(list.length, "field")}` : "Find a field"}
          aria-label="Find a field"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      </div>
      {error && !failed && <p class="problem">{error.message}</p>}
      <ul class="field-list">
        {shown.map((field) => (
          <li key={field.name}>
            <button type="button" class="field" aria-expanded={open.has(field.name)} onClick={() => toggle(field.name)}>
              <ChevronIcon />
              <span class="field-name" title={`${field.name}: ${field.types.join(", ")}`}>
                {field.name}
              </span>
            </button>
            {open.has(field.name) && <Values name={field.name} />}
          </li>
        ))}
      </ul>
      {shown.length === 0 && filter !== "" && <p class="hint">No field with this name.</p>}
    </nav>
  );
}

function Values({ name }: { name: string }) {
  const session = useSession();
  const scope = useStore(session.model.fields, (f) => f.scope);
  // The chart says it for all.
  const charted = useStore(session.model.chart, (c) => c.reply?.warnings);
  const [reply, setReply] = useState<ValuesReply>();
  const [problem, setProblem] = useState<ApiError>();

  useEffect(() => {
    const abort = new AbortController();
    api.fieldValues(name, scope, VALUES_SHOWN, abort.signal).then(
      (values) => {
        setReply(values);
        setProblem(undefined);
      },
      (error: unknown) => {
        if (!isAbort(error)) setProblem(asApiError(error));
      },
    );
    return () => abort.abort();
  }, [name, scope]);

  // The query box already says what is wrong with the query.
  if (problem) return <p class="values-note">{problem.isQueryError ? "" : problem.message}</p>;
  if (!reply) return <p class="values-note">…</p>;
  return (
    <>
      <ul class="values">
        {reply.values.map((entry) => (
          <Value key={String(entry.value)} name={name} entry={entry} exact={reply.relation !== "gte"} whole={reply.matched} />
        ))}
      </ul>
      <p class="values-note">{valuesNote(reply)}</p>
      {reply.warnings
        .filter((warning) => !charted?.includes(warning))
        .map((warning) => (
          <p key={warning} class="values-note">
            {warning}
          </p>
        ))}
    </>
  );
}

function valuesNote(reply: ValuesReply): string {
  if (reply.values.length === 0) return "In none of these events.";
  const notes = [];
  const exact = reply.relation !== "gte";
  const more = reply.distinct - reply.values.length;
  if (more > 0) notes.push(atLeast(exact, plural(more, "more value")));
  if (reply.missing > 0) notes.push(`${atLeast(exact, formatCount(reply.missing))} without this field`);
  return notes.join(" · ");
}

interface ValueProps {
  name: string;
  entry: ValuesReply["values"][number];
  exact: boolean;
  whole: number;
}

function Value({ name, entry, exact, whole }: ValueProps) {
  const session = useSession();
  const draft = useStore(session.model.ui, (u) => u.draft);
  const { value, count } = entry;
  const share = whole > 0 ? Math.min(1, count / whole) : 0;
  const included = hasFilter(draft, name, value, false);
  return (
    <li class={`value-line ${included ? "included" : ""}`}>
      <button
        type="button"
        class="value-include"
        title={`${String(value)}: ${atLeast(exact, formatCount(count))}. Click to ${included ? "include no longer" : "include"}, Alt or Shift with the click to exclude.`}
        aria-pressed={included}
        onClick={(event) => session.filter(name, value, event.altKey || event.shiftKey)}
      >
        <span class="value-text">{value === "" ? "(empty)" : String(value)}</span>
        <span class="value-count">{atLeast(exact, formatCompact(count))}</span>
        <span class="bar" aria-hidden="true">
          <span class="bar-fill" style={{ width: `${(share * 100).toFixed(1)}%` }} />
        </span>
      </button>
      <button
        type="button"
        class="value-exclude"
        aria-label={`Exclude ${String(value)}`}
        title="Exclude"
        onClick={() => session.filter(name, value, true)}
      >
        <MinusIcon />
      </button>
    </li>
  );
}
