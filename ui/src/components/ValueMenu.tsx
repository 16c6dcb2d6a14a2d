/** What a click on a value offers: include, exclude, copy. */

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Scalar } from "../api/types";
import type { Session } from "../state/session";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { hasFilter, term } from "../state/querytext";
import { CopyIcon, MinusIcon, PlusIcon } from "./icons";

const MARGIN = 8;
/** The height of the value that was clicked, about. */
const LINE_PX = 26;
/** Longer values cannot sensibly stand in a query; the copy is still whole. */
const FILTER_CHARS_MAX = 255;

export function canFilter(field: string, value: Scalar): boolean {
  return String(value).length <= FILTER_CHARS_MAX && field !== "@timestamp";
}

/** Opens the menu below the thing that was clicked. */
export function openValueMenu(session: Session, target: Element, field: string, value: Scalar): void {
  const box = target.getBoundingClientRect();
  session.model.ui.set({ menu: { field, value, x: box.left, y: box.bottom + 2 } });
}

/** Below the value, or above it where there is no room. */
function place(node: HTMLElement, { x, y }: { x: number; y: number }): void {
  const left = Math.min(x, window.innerWidth - node.offsetWidth - MARGIN);
  const fits = y + node.offsetHeight + MARGIN <= window.innerHeight;
  node.style.left = `${Math.max(MARGIN, left)}px`;
  node.style.top = `${fits ? y : Math.max(MARGIN, y - node.offsetHeight - LINE_PX)}px`;
}

export function ValueMenu() {
  const session = useSession();
  const menu = useStore(session.model.ui, (u) => u.menu);
  const ref = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const node = ref.current;
    if (!node || !menu) return;
    const before = document.activeElement;
    place(node, menu);
    node.querySelector("button")?.focus();
    const close = (): void => session.model.ui.set({ menu: undefined });
    const onPointer = (event: Event): void => {
      if (!node.contains(event.target as Node)) close();
    };
    document.addEventListener("pointerdown", onPointer);
    window.addEventListener("resize", close);
    return () => {
      document.removeEventListener("pointerdown", onPointer);
      window.removeEventListener("resize", close);
      // The menu is gone by now, and the focus with it, unless something else took it.
      if (before instanceof HTMLElement && document.activeElement === document.body) before.focus();
    };
  }, [menu, session]);

  if (!menu) return null;
  const { field, value } = menu;
  const close = (): void => session.model.ui.set({ menu: undefined });
  const draft = session.model.ui.get().draft;
  const short = canFilter(field, value);

  const onKey = (event: KeyboardEvent): void => {
    const items = [...(ref.current?.querySelectorAll("button") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    else if (event.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const copy = (): void => {
    close();
    void session.copy(String(value), "the value");
  };

  return (
    <div ref={ref} class="menu" role="menu" aria-label={`${field}: what to do`} onKeyDown={onKey}>
      <div class="menu-title mono" role="presentation">
        {short ? term(field, value) : field}
      </div>
      {short && (
        <button type="button" role="menuitem" onClick={() => session.filter(field, value, false)}>
          <PlusIcon />
          {hasFilter(draft, field, value, false) ? "Include no longer" : "Include"}
        </button>
      )}
      {short && (
        <button type="button" role="menuitem" onClick={() => session.filter(field, value, true)}>
          <MinusIcon />
          {hasFilter(draft, field, value, true) ? "Exclude no longer" : "Exclude"}
        </button>
      )}
      <button type="button" role="menuitem" onClick={copy}>
        <CopyIcon />
        Copy value
      </button>
    </div>
  );
}
