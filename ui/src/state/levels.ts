/** Severities as the page groups and colours them. */

export type Level = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "unknown";

/** Most severe first. */
export const LEVELS: readonly Level[] = ["fatal", "error", "warn", "info", "debug", "trace", "unknown"];

const NAMES: Record<string, Level> = {
  fatal: "fatal",
  critical: "fatal",
  crit: "fatal",
  alert: "fatal",
  emergency: "fatal",
  emerg: "fatal",
  panic: "fatal",
  error: "error",
  err: "error",
  severe: "error",
  warn: "warn",
  warning: "warn",
  info: "info",
  information: "info",
  informational: "info",
  notice: "info",
  debug: "debug",
  fine: "debug",
  trace: "trace",
  verbose: "trace",
};

export function levelOf(name: unknown): Level {
  return typeof name === "string" ? (NAMES[name.toLowerCase()] ?? "unknown") : "unknown";
}

const SHORT: Record<Level, string> = {
  fatal: "FATAL",
  error: "ERROR",
  warn: "WARN",
  info: "INFO",
  debug: "DEBUG",
  trace: "TRACE",
  unknown: "",
};

export function shortLevel(level: Level): string {
  return SHORT[level];
}

export function isSevere(level: Level): boolean {
  return level === "fatal" || level === "error";
}
