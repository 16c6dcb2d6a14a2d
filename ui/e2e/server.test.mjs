/** The page while its server goes and comes, on a touch screen, and with very many rows. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MockStore, startMock } from "../dev/mock.mjs";
import { hasBrowser, CHROMIUM } from "./browser.mjs";
import { checkAccessibility, counts, lines, shows, withPage } from "./flow.mjs";

const skip = hasBrowser ? false : `no browser at ${CHROMIUM} (CHROMIUM names another)`;

const filled = () => new MockStore(lines().map((line) => JSON.parse(line)));

/** A server left open would keep the test from ending. */
async function closing(close, steps) {
  try {
    await steps();
  } finally {
    await close();
  }
}

/** As if the tab had just been looked at again: the page asks at once. */
const lookAgain = (page) => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

test("an idle page learns that the server is away and back", { skip }, async () => {
  const store = filled();
  let replaying = false;
  const first = await startMock(store);
  const port = Number(new URL(first.url).port);
  let second;
  await closing(() => second?.close(), () => withPage(first.url, async (page) => {
    await shows(counts(page), "of 400");
    await first.close();
    await lookAgain(page);
    await shows(page.locator(".failure"), "No answer from");
    assert.ok((await page.locator(".row").count()) > 0);
    await checkAccessibility(page, "away");
    replaying = true;
    second = await startMock(store, { port, replaying: () => replaying });
    await shows(page.locator(".failure"), "Indexing what was written before the restart");
    replaying = false;
    await shows(page.locator(".notice"), "answers again");
    assert.equal(await page.locator(".failure").count(), 0);
  }));
});

test("the commands of an empty page carry the token of a server that wants one", { skip }, async () => {
  const { url, close } = await startMock(new MockStore([]), { token: "s3cret" });
  await closing(close, () => withPage(url, async (page) => {
    await page.fill("#token", "s3cret");
    await page.getByRole("button", { name: "Continue" }).click();
    await shows(page.locator(".command pre"), '-H "Authorization: Bearer $LOGSHIP_TOKEN"');
    assert.doesNotMatch(await page.locator(".empty").textContent(), /s3cret/);
  }));
});

test("a finger selects a range on the chart", { skip }, async () => {
  const { url, close } = await startMock(filled());
  await closing(close, () => withPage(url, async (page) => {
    await shows(counts(page), "of 400");
    const box = await page.locator(".u-over").boundingBox();
    const session = await page.context().newCDPSession(page);
    const touch = (type, share) =>
      session.send("Input.dispatchTouchEvent", { type, touchPoints: share === undefined ? [] : [{ x: box.x + box.width * share, y: box.y + 20 }] });
    await touch("touchStart", 0.4);
    for (let share = 0.42; share <= 0.6; share += 0.02) await touch("touchMove", share);
    await touch("touchEnd");
    await page.waitForURL(/from=.*to=/);
    await shows(counts(page), /^\d\d events$/);
  }, { width: 390, height: 844, hasTouch: true }));
});

const MANY = 100_000;
const PAGE_ROWS = 1000;

function manyRows(from) {
  const now = Date.now();
  return Array.from({ length: PAGE_ROWS }, (_, i) => {
    const n = from + i;
    return JSON.stringify({ "@timestamp": new Date(now - n * 100).toISOString(), message: `GET /api/orders/${n} 200 in ${n % 90} ms`, log: { level: "info" }, service: { name: "api" }, _id: `1-${n.toString(16)}` });
  }).join("\n");
}

async function serveMany(page) {
  await page.route("**/api/v1/search?*", (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get("cursor") ?? 0);
    const end = from + PAGE_ROWS;
    const trailer = { took_ms: 1, rows: PAGE_ROWS, matched: MANY, relation: "eq", cursor: end < MANY ? String(end) : null, position: "1-0", words: [], partial: false, warnings: [] };
    return route.fulfill({ contentType: "application/x-ndjson", body: `${manyRows(from)}\n${JSON.stringify({ _trailer: trailer })}\n` });
  });
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

test("100,000 rows scroll, and typing over them does not wait", { skip }, async () => {
  const { url, close } = await startMock(filled());
  await closing(close, () => withPage(url, async (page) => {
    await shows(counts(page), "of 400");
    await serveMany(page);
    await page.keyboard.press("/");
    await page.keyboard.press("Enter");
    await page.waitForFunction(
      (many) => {
        const list = document.querySelector("#rows");
        list.scrollTo(0, list.scrollHeight);
        return document.querySelector(".counts").textContent === `${many.toLocaleString("en-US")} events`;
      },
      MANY,
      { timeout: 120_000, polling: 30 },
    );
    // What the page does at one step, without what the machine does beside it: from the scroll to the end of its frame.
    const steps = await page.evaluate(async () => {
      const list = document.querySelector("#rows");
      const took = [];
      for (let i = 0; i < 60; i += 1) {
        const started = performance.now();
        list.scrollTo(0, i % 2 ? (i * 36_000) % 2_000_000 : list.scrollTop + 700);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        took.push(performance.now() - started);
      }
      return took;
    });
    const keys = await page.evaluate(async () => {
      const box = document.querySelector("#query");
      box.focus();
      const took = [];
      for (const key of "request done now") {
        const started = performance.now();
        box.setRangeText(key, box.value.length, box.value.length, "end");
        box.dispatchEvent(new InputEvent("input", { bubbles: true }));
        await Promise.resolve();
        took.push(performance.now() - started);
        await new Promise((done) => requestAnimationFrame(done));
      }
      return took;
    });
    const told = `scroll ${median(steps).toFixed(1)} ms (most ${Math.max(...steps).toFixed(1)}), key ${median(keys).toFixed(2)} ms (most ${Math.max(...keys).toFixed(2)})`;
    if (process.env.E2E_TIMES) console.error(told);
    assert.ok(median(steps) < 80 && median(keys) < 10, told);
  }));
});
