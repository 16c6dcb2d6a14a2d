/** What the address holds: everything needed to see the same page again. */

export interface View {
  q: string;
  /** As the API takes it: "" (open), `now-15m`, or RFC 3339. */
  from: string;
  to: string;
  live: boolean;
  /** The id of the event shown in the detail panel, or "". */
  event: string;
  utc: boolean;
  /** What stands in place of the events. */
  page: "" | "agents";
}

export const EMPTY_VIEW: View = { q: "", from: "", to: "", live: false, event: "", utc: false, page: "" };

export function parseView(search: string): View {
  const params = new URLSearchParams(search);
  return {
    q: params.get("q") ?? "",
    from: params.get("from") ?? "",
    to: params.get("to") ?? "",
    live: params.get("live") === "1",
    event: params.get("event") ?? "",
    utc: params.get("tz") === "utc",
    page: params.get("page") === "agents" ? "agents" : "",
  };
}

/** The part of the address after the path, with defaults left out. */
export function formatView(view: View): string {
  const params = new URLSearchParams();
  if (view.q !== "") params.set("q", view.q);
  if (view.from !== "") params.set("from", view.from);
  if (view.to !== "") params.set("to", view.to);
  if (view.live) params.set("live", "1");
  if (view.event !== "") params.set("event", view.event);
  if (view.utc) params.set("tz", "utc");
  if (view.page !== "") params.set("page", view.page);
  // Colons are legal in a query string; leaving them makes a shared address readable.
  const text = params.toString().replaceAll("%3A", ":");
  return text === "" ? "" : `?${text}`;
}

/** Whether two views show the same search. */
export function sameSearch(a: View, b: View): boolean {
  return a.q === b.q && a.from === b.from && a.to === b.to;
}
