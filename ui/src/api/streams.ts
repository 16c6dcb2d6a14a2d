/** Readers of the two streamed formats: newline-delimited JSON and server-sent events. */

/** Calls `onLine` for each line of a byte stream; the last one needs no line end. */
export async function readLines(
  body: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  const feed = (text: string): void => {
    let start = 0;
    for (;;) {
      const end = text.indexOf("\n", start);
      if (end < 0) break;
      onLine(rest + text.slice(start, text[end - 1] === "\r" ? end - 1 : end));
      rest = "";
      start = end + 1;
    }
    rest += text.slice(start);
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      feed(decoder.decode(value, { stream: true }));
    }
    feed(decoder.decode());
    if (rest !== "") onLine(rest);
  } finally {
    reader.releaseLock();
  }
}

/** Calls `onValue` for each JSON line. A broken line throws: a result must not be cut silently. */
export function readNdjson(
  body: ReadableStream<Uint8Array>,
  onValue: (value: unknown) => void,
): Promise<void> {
  return readLines(body, (line) => {
    if (line.trim() !== "") onValue(JSON.parse(line));
  });
}

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** A parser of server-sent events: feed it lines, it calls `onEvent` at each blank line. */
export function sseParser(onEvent: (event: ServerEvent) => void): (line: string) => void {
  let id = "";
  let event = "";
  let data: string[] = [];
  return (line) => {
    if (line === "") {
      if (data.length > 0) onEvent({ id, event: event || "message", data: data.join("\n") });
      event = "";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
    else if (name === "id") id = value;
  };
}

export function readServerEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  return readLines(body, sseParser(onEvent));
}
