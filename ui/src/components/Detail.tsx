/** One event in full: beside the rows, or as a sheet over them on a phone. */

import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { LogEvent, Scalar } from "../api/types";
import { formatDateTime } from "../state/format";
import { shortLevel } from "../state/levels";
import { hasFilter } from "../state/querytext";
import { eventId, eventLevel, fieldAt, flatten, messageOf, serviceOf, timeOf } from "../state/rows";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { CloseIcon, CopyIcon, LinkIcon, MinusIcon, PlusIcon } from "./icons";
import { canFilter, openValueMenu } from "./ValueMenu";

export function Detail({ modal }: { modal: boolean }) {
  const session = useSession();
  const { event, error, id } = useStore(session.model.detail, (d) => d);
  const utc = useStore(session.model.view, (v) => v.utc);
  const panel = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const before = document.activeElement;
    // The keys j and k go on working from inside the panel, which is not a place to type.
    panel.current?.focus();
    return () => {
      const list = document.getElementById("rows");
      if (list?.getAttribute("role") === "grid") list.focus({ preventScroll: true });
      else if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  useLayoutEffect(() => {
    panel.current?.querySelector(".detail-scroll")?.scrollTo(0, 0);
  }, [id]);

  const level = event ? eventLevel(event) : "unknown";
  return (
    <div
      ref={panel}
      class="detail"
      tabIndex={-1}
      aria-label="Event"
      role={modal ? "dialog" : "complementary"}
      aria-modal={modal || undefined}
    >
      <div class="detail-head">
        <div class="detail-title">
          {event && <span class={`badge ${level}`}>{shortLevel(level) || "NO LEVEL"}</span>}
          {event && <span class="detail-time mono">{formatDateTime(timeOf(event), utc)}</span>}
          {event && <span class="detail-service">{serviceOf(event)}</span>}
        </div>
        <Tool label="Copy a link to this event" icon={LinkIcon} onClick={() => session.copyPermalink(id)} />
        <Tool label="Copy the line" keys="y" icon={CopyIcon} onClick={() => session.copyActive()} />
        <Tool label="Close" keys="Esc" icon={CloseIcon} onClick={() => session.closeEvent()} />
      </div>
      <div class="detail-scroll" tabIndex={0} role="group" aria-label="Event in full">
        {error && (
          <p class="problem" role="alert">
            {error.status === 404 ? "This event is no longer stored, or the link is wrong." : error.message}
          </p>
        )}
        {event && <Body event={event} />}
      </div>
    </div>
  );
}

interface ToolProps {
  label: string;
  keys?: string;
  icon: () => VNode;
  onClick: () => void;
}

function Tool({ label, keys, icon: Icon, onClick }: ToolProps) {
  const title = keys ? `${label} (${keys})` : label;
  return (
    <button type="button" class="button quiet square" aria-label={label} title={title} onClick={onClick}>
      <Icon />
    </button>
  );
}

function Body({ event }: { event: LogEvent }) {
  const session = useSession();
  const [tab, setTab] = useState<"fields" | "json">("fields");
  const message = messageOf(event);
  const trace = fieldAt(event, "error.stack_trace");
  return (
    <>
      {message !== "" && <Lines text={message} />}
      <div class="tab-bar">
        <Tabs tab={tab} onTab={setTab} />
        <button type="button" class="button small" onClick={() => void session.copy(jsonOf(event), "the JSON")}>
          <CopyIcon /> Copy JSON
        </button>
      </div>
      <div id={`panel-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === "fields" ? <FieldTable event={event} /> : <JsonText event={event} />}
      </div>
      {tab === "fields" && typeof trace === "string" && !message.includes(trace) && (
        <section aria-label="Stack trace">
          <h3>Stack trace</h3>
          <Lines text={trace} />
        </section>
      )}
    </>
  );
}

const FRAME = /^\s+at /;

/** A line that is too long goes on indented, so that each frame of a stack trace keeps its own beginning. */
function Lines({ text }: { text: string }) {
  return (
    <pre class="detail-message">
      {text.split("\n").map((line, i) => (
        <div key={i} class={FRAME.test(line) ? "frame" : undefined}>
          {line === "" ? "\n" : line}
        </div>
      ))}
    </pre>
  );
}

type Tab = "fields" | "json";

function Tabs({ tab, onTab }: { tab: Tab; onTab: (tab: Tab) => void }) {
  const other: Tab = tab === "fields" ? "json" : "fields";
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    onTab(other);
    document.getElementById(`tab-${other}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Shown as" onKeyDown={onKey}>
      {(["fields", "json"] as const).map((name) => (
        <button
          key={name}
          id={`tab-${name}`}
          type="button"
          role="tab"
          aria-selected={tab === name}
          aria-controls={tab === name ? `panel-${name}` : undefined}
          tabIndex={tab === name ? 0 : -1}
          onClick={() => onTab(name)}
        >
          {name === "fields" ? "Fields" : "JSON"}
        </button>
      ))}
    </div>
  );
}

/** Shown in full above and below the table. */
const LONG_FIELDS = new Set(["message", "error.stack_trace"]);

function FieldTable({ event }: { event: LogEvent }) {
  return (
    <table class="fields">
      <caption class="visually-hidden">Fields of the event; choose a value to search with it</caption>
      <colgroup>
        <col class="name-column" />
        <col />
      </colgroup>
      <tbody>
        {flatten(event)
          .filter(({ name }) => !LONG_FIELDS.has(name))
          .map(({ name, values, isList }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                {values.map((value, i) => (
                  <FieldValue key={i} name={name} value={value} />
                ))}
                {isList && values.length === 0 && <span class="dim">(empty list)</span>}
              </td>
            </tr>
          ))}
        <tr>
          <th scope="row">_id</th>
          <td class="dim">{eventId(event)}</td>
        </tr>
      </tbody>
    </table>
  );
}

/** The value opens the whole menu; the two buttons beside it are its short cuts. */
function FieldValue({ name, value }: { name: string; value: Scalar }) {
  const session = useSession();
  const draft = useStore(session.model.ui, (u) => u.draft);
  const shown = value === "" ? "(empty)" : String(value);
  return (
    <div class="value-entry">
      <button
        type="button"
        class={`value ${typeof value}`}
        aria-haspopup="menu"
        title="Include, exclude, copy"
        onClick={(e) => openValueMenu(session, e.currentTarget, name, value)}
      >
        {shown}
      </button>
      {canFilter(name, value) &&
        ([false, true] as const).map((exclude) => (
          <button
            key={String(exclude)}
            type="button"
            class="value-short"
            aria-label={`${exclude ? "Exclude" : "Include"} ${name} ${shown}`}
            aria-pressed={hasFilter(draft, name, value, exclude)}
            title={exclude ? "Exclude" : "Include"}
            onClick={() => session.filter(name, value, exclude)}
          >
            {exclude ? <MinusIcon /> : <PlusIcon />}
          </button>
        ))}
    </div>
  );
}

function jsonOf(event: LogEvent): string {
  return JSON.stringify(event, null, 2);
}

function JsonText({ event }: { event: LogEvent }) {
  return (
    <div class="json">
      <pre>{jsonOf(event)}</pre>
    </div>
  );
}
