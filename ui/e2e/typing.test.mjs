/** Typing and incomplete answers against the mock, and against the real binary where LOGSHIP_BIN names one. */

import { test } from "node:test";
import { hasBrowser, CHROMIUM } from "./browser.mjs";
import { lines } from "./flow.mjs";
import { startBinary, startMockTarget } from "./target.mjs";
import { guessFlow, incompleteFlow, overtakenFlow, seekingFlow, typingFlow } from "./typing.mjs";

const skip = hasBrowser ? false : `no browser at ${CHROMIUM} (CHROMIUM names another)`;
const bin = process.env.LOGSHIP_BIN;
const skipBinary = skip || (bin ? false : "LOGSHIP_BIN is not set: the real binary is not tested");

async function against(start, flow) {
  const target = await start();
  try {
    await flow(target);
  } finally {
    await target.stop();
  }
}

const FLOWS = [
  ["search while typing", typingFlow],
  ["a search that is typed over", overtakenFlow],
  ["counts that are too small", incompleteFlow],
  ["pages without rows", seekingFlow],
];

for (const [name, flow] of FLOWS) {
  test(`mock: ${name}`, { skip }, () => against(() => startMockTarget(lines()), flow));
  test(`binary: ${name}`, { skip: skipBinary }, () => against(() => startBinary(bin, lines()), flow));
}

test("mock: the server's guess at a field", { skip }, () => against(() => startMockTarget(lines()), (target) => guessFlow(target, "lvl", "level")));
test("binary: the server's guess at a field", { skip: skipBinary }, () => against(() => startBinary(bin, lines()), (target) => guessFlow(target, "log.lvel", "log.level")));
