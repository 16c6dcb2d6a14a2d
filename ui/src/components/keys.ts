/** The keys that work anywhere on the page, and the list of them that the help shows. */

import type { Session } from "../state/session";

export const KEYS: readonly { keys: string[]; does: string }[] = [
  { keys: ["/"], does: "Go to the query" },
  { keys: ["Enter"], does: "Run the query; in the list, open the event" },
  { keys: ["Shift+Enter"], does: "New line in the query" },
  { keys: ["Ctrl+Space"], does: "Suggest fields and values in the query" },
  { keys: ["↓"], does: "From the query to the events" },
  { keys: ["j", "k"], does: "Next and previous event (also arrow keys)" },
  { keys: ["e", "E"], does: "Next and previous error" },
  { keys: ["y"], does: "Copy the line" },
  { keys: ["t"], does: "Live on or off" },
  { keys: ["w"], does: "Wrap long lines" },
  { keys: ["f"], does: "Show or hide the fields" },
  { keys: ["z"], does: "Zoom out" },
  { keys: ["g"], does: "Show or hide the agents" },
  { keys: ["Esc"], does: "Leave the query; close what is open" },
  { keys: ["?"], does: "This help" },
];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, dialog, [role=menu]") !== null;
}

/** Enter and the arrows belong to the control that has the focus, unless that is the list or the page itself. */
function isControl(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("button, a, summary, [role=tab]") !== null;
}

function focusQuery(): void {
  const box = document.getElementById("query") as HTMLTextAreaElement | null;
  box?.focus();
  box?.select();
}

/** There are no events on the page of agents: only what leads elsewhere works there. */
const WITH_AGENTS = new Set(["/", "?", "g", "t"]);

function act(session: Session, event: KeyboardEvent): boolean {
  const { ui, view } = session.model;
  const agents = view.get().page === "agents";
  if (agents && event.key === "Escape") {
    session.showAgents(false);
    return true;
  }
  if (agents && !WITH_AGENTS.has(event.key)) return false;
  switch (event.key) {
    case "/":
      focusQuery();
      return true;
    case "j":
      session.move(1);
      return true;
    case "k":
      session.move(-1);
      return true;
    case "ArrowDown":
    case "ArrowUp":
      if (isControl(event.target) || inPanel(event.target)) return false;
      session.move(event.key === "ArrowDown" ? 1 : -1);
      return true;
    case "Enter":
      if (isControl(event.target)) return false;
      session.openActive();
      return true;
    case "e":
      void session.moveToError(1);
      return true;
    case "E":
      void session.moveToError(-1);
      return true;
    case "y":
      session.copyActive();
      return true;
    case "t":
      session.setLive(!view.get().live);
      return true;
    case "w":
      session.toggleWrap();
      return true;
    case "f":
      session.toggleFields();
      return true;
    case "z":
      session.zoomOut();
      return true;
    case "g":
      session.showAgents(!agents);
      return true;
    case "?":
      ui.set({ help: true });
      return true;
    case "Escape":
      if (view.get().event === "") return false;
      session.closeEvent();
      return true;
    default:
      return false;
  }
}

/** In the detail panel the arrows scroll. */
function inPanel(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest(".detail") !== null;
}

export function bindKeys(session: Session): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) return;
    if (act(session, event)) event.preventDefault();
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
