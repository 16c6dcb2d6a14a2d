/** The server under test: the mock, or the real binary named by LOGSHIP_BIN. Both are fed lines and give a URL. */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MockStore, startMock } from "../dev/mock.mjs";

const START_MS = 10_000;

export async function startMockTarget(lines) {
  const store = new MockStore(lines.map((line) => JSON.parse(line)));
  const { url, close } = await startMock(store);
  return { url, send: (line) => store.add(JSON.parse(line)), stop: close };
}

/** The binary as in `app | logship`: lines by its standard input, the address on its standard error. */
export async function startBinary(bin, lines) {
  const data = await mkdtemp(join(tmpdir(), "logship-e2e-"));
  return runBinary(bin, lines, data, "127.0.0.1:0", 0);
}

async function runBinary(bin, lines, data, listen, stored) {
  const child = spawn(bin, ["--data", data, "--listen", listen, "--serve"], { stdio: ["pipe", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const send = (line) => child.stdin.write(`${line}\n`);
  for (const line of lines) send(line);
  const crash = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const stop = async () => {
    child.stdin.end();
    child.kill("SIGTERM");
    await ended;
    await rm(data, { recursive: true, force: true });
  };
  try {
    const url = await addressOf(child, ended);
    await searchable(url, stored + lines.length);
    const again = () => runBinary(bin, [], data, new URL(url).host, stored + lines.length);
    return { url, send, stop, crash, again };
  } catch (error) {
    await stop();
    throw error;
  }
}

function addressOf(child, ended) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`no address within ${START_MS} ms; it printed:\n${text}`)), START_MS);
    child.stderr.on("data", (chunk) => {
      text += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(text);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[0]);
    });
    void ended.then((code) => {
      clearTimeout(timer);
      reject(new Error(`the binary ended with ${code}; it printed:\n${text}`));
    });
  });
}

/** Waits until the store holds what was piped in: the page should not be blamed for a slow index. */
async function searchable(url, count) {
  const until = Date.now() + START_MS;
  for (;;) {
    const status = await (await fetch(`${url}api/v1/status`)).json();
    if (status.events >= count) return;
    if (Date.now() > until) throw new Error(`only ${status.events} of ${count} lines are searchable`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
