/** The time range: presets, two datetime boxes, and the clock in which times are shown. */

import { useEffect, useRef, useState } from "preact/hooks";
import { describeRange, fromInput, PRESETS, rangeProblem, resolveTime, toInput, type Range } from "../state/timerange";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { ClockIcon, DownIcon } from "./icons";

export function TimePicker() {
  const session = useSession();
  const view = useStore(session.model.view, (v) => v);
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return;
    const onPointer = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [open]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div
      class="time"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.preventDefault();
        event.stopPropagation();
        close();
      }}
    >
      <button
        ref={button}
        type="button"
        class="button time-button"
        aria-haspopup="dialog"
        aria-expanded={open}
        title="Time range"
        onClick={() => setOpen(!open)}
      >
        <ClockIcon />
        <span>{describeRange(view, view.utc)}</span>
        <DownIcon />
      </button>
      {open && <Panel onDone={close} />}
    </div>
  );
}

function Panel({ onDone }: { onDone: () => void }) {
  const session = useSession();
  const view = useStore(session.model.view, (v) => v);
  const panel = useRef<HTMLDivElement>(null);
  const now = Date.now();
  const [from, setFrom] = useState(() => toInput(resolveTime(view.from, now), view.utc));
  const [to, setTo] = useState(() => toInput(resolveTime(view.to, now), view.utc));
  const [problem, setProblem] = useState("");

  useEffect(() => {
    const chosen = panel.current?.querySelector<HTMLElement>("[aria-pressed=true]");
    (chosen ?? panel.current?.querySelector("button"))?.focus();
  }, []);

  const choose = (range: Range): void => {
    session.setRange(range);
    onDone();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    const range = { from: fromInput(from, view.utc), to: fromInput(to, view.utc) };
    const wrong = rangeProblem(range, Date.now());
    setProblem(wrong);
    if (wrong === "") choose(range);
  };
  const switchClock = (): void => {
    // The instants stay, their writing changes.
    setFrom(toInput(resolveTime(fromInput(from, view.utc), now), !view.utc));
    setTo(toInput(resolveTime(fromInput(to, view.utc), now), !view.utc));
    session.navigate({ utc: !view.utc }, "replace");
  };

  return (
    <div ref={panel} class="popover time-panel" role="dialog" aria-label="Time range">
      <Presets chosen={view} onChoose={choose} />
      <form class="absolute" onSubmit={submit}>
        <label>
          From
          <input class="input" type="datetime-local" step="1" value={from} onInput={(e) => setFrom(e.currentTarget.value)} />
        </label>
        <label>
          To
          <input class="input" type="datetime-local" step="1" value={to} onInput={(e) => setTo(e.currentTarget.value)} />
        </label>
        {problem !== "" && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="absolute-end">
          <button type="button" class="button" aria-pressed={view.utc} onClick={switchClock}>
            {view.utc ? "UTC" : "Local time"}
          </button>
          <button type="submit" class="button primary">
            Apply
          </button>
        </div>
        <p class="hint">An empty box leaves that end open.</p>
      </form>
    </div>
  );
}

function Presets({ chosen, onChoose }: { chosen: Range; onChoose: (range: Range) => void }) {
  return (
    <div class="presets" role="group" aria-label="Relative">
      {PRESETS.map((preset) => (
        <button
          key={preset.label}
          type="button"
          aria-pressed={chosen.from === preset.from && chosen.to === ""}
          onClick={() => onChoose({ from: preset.from, to: "" })}
        >
          {preset.label}
        </button>
      ))}
    </div>
  );
}
