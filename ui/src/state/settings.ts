/** The few choices kept in the browser. Storage may be forbidden: then they last as long as the page. */

import type { Theme } from "./model";

const PREFIX = "logship.";

function read(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Nothing to do: the choice holds until the page is left.
  }
}

export function readTheme(): Theme {
  const value = read("theme");
  return value === "light" || value === "dark" ? value : "auto";
}

export function applyTheme(theme: Theme): void {
  write("theme", theme);
  if (theme === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function readFlag(name: string, otherwise: boolean): boolean {
  const value = read(name);
  return value === null ? otherwise : value === "1";
}

export function writeFlag(name: string, value: boolean): void {
  write(name, value ? "1" : "0");
}
