/** The page against the mock server, and against the real binary where LOGSHIP_BIN names one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MockStore, startMock } from "../dev/mock.mjs";
import { makeEvents } from "../dev/generate.mjs";
import { hasBrowser, CHROMIUM } from "./browser.mjs";
import { checkAccessibility, counts, crashFlow, drawerFlow, interruptedFlow, keyboardFlow, lines, liveFlow, mainFlow, nothingFlow, search, shows, withPage } from "./flow.mjs";
import { startBinary, startMockTarget } from "./target.mjs";

const skip = hasBrowser ? false : `no browser at ${CHROMIUM} (CHROMIUM names another)`;
const bin = process.env.LOGSHIP_BIN;
const skipBinary = skip || (bin ? false : "LOGSHIP_BIN is not set: the real binary is not tested");

async function against(target, flow) {
  try {
    await flow(target);
  } finally {
    await target.stop();
  }
}

async function againstMock(options, steps, screen, events = lines().map((l) => JSON.parse(l))) {
  const store = new MockStore(events);
  const { url, close } = await startMock(store, options);
  try {
    await withPage(url, (page) => steps(page, store), screen);
  } finally {
    await close();
  }
}

test("mock: search, click, reload, bad query", { skip }, async () => against(await startMockTarget(lines()), mainFlow));
test("mock: fields on a phone", { skip }, async () => against(await startMockTarget(lines()), drawerFlow));
test("mock: bad query while the chart loads", { skip }, async () => against(await startMockTarget(lines()), interruptedFlow));
test("mock: nothing found", { skip }, async () => against(await startMockTarget(lines()), nothingFlow));
test("mock: keyboard", { skip }, async () => against(await startMockTarget(lines()), keyboardFlow));
test("mock: live", { skip }, async () => against(await startMockTarget(lines()), liveFlow));
test("binary: search, click, reload, bad query", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), mainFlow));
test("binary: fields on a phone", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), drawerFlow));
test("binary: bad query while the chart loads", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), interruptedFlow));
test("binary: nothing found", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), nothingFlow));
test("binary: keyboard", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), keyboardFlow));
test("binary: the server dies and comes back", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), crashFlow));
test("binary: live", { skip: skipBinary }, async () => against(await startBinary(bin, lines()), liveFlow));

test("an empty store explains itself and comes alive", { skip }, () =>
  againstMock({}, async (page, store) => {
    await shows(page.locator(".empty h1"), "No logs yet");
    await shows(page.locator(".command pre"), new URL(page.url()).origin);
    await checkAccessibility(page, "empty");
    store.add({ "@timestamp": new Date().toISOString(), message: "hello" });
    await shows(page.locator(".row .message"), "hello");
  }, {}, []));

test("a token is asked for, and kept out of storage and address", { skip }, () =>
  againstMock({ token: "s3cret" }, async (page) => {
    await page.fill("#token", "wrong");
    await page.getByRole("button", { name: "Continue" }).click();
    await shows(page.locator(".token .problem"), "refused");
    await checkAccessibility(page, "token");
    await page.fill("#token", "s3cret");
    await page.getByRole("button", { name: "Continue" }).click();
    await shows(counts(page), "of 400");
    assert.doesNotMatch(page.url(), /s3cret/);
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })), /s3cret/);
  }));

test("a server that reads its log is waited for", { skip }, () => {
  let replaying = true;
  return againstMock({ replaying: () => replaying }, async (page) => {
    await shows(page.locator(".failure"), "Indexing what was written before the restart");
    await checkAccessibility(page, "replaying");
    replaying = false;
    await shows(counts(page), "of 400");
    assert.equal(await page.locator(".failure").count(), 0);
  });
});

test("a server that is gone is said so, rows stay", { skip }, async () => {
  const { url, close } = await startMock(new MockStore(lines().map((l) => JSON.parse(l))));
  await withPage(url, async (page) => {
    await shows(counts(page), "of 400");
    await close();
    await search(page, "anything");
    await shows(page.locator(".failure"), "No answer from");
    assert.ok((await page.locator(".row").count()) > 0);
  });
});

test("all rows can be reached, few exist at a time", { skip }, () =>
  againstMock({}, async (page) => {
    await shows(counts(page), "of 30,000");
    // Each jump to the end asks for the next page.
    await page.waitForFunction(
      () => {
        const list = document.querySelector("#rows");
        list.scrollTo(0, list.scrollHeight);
        const all = document.querySelector(".counts").textContent === "30,000 events";
        return all && document.querySelector('[aria-rowindex="30000"]') !== null;
      },
      undefined,
      { timeout: 60_000, polling: 30 },
    );
    assert.ok((await page.locator(".row").count()) < 150);
  }, {}, makeEvents({ count: 30_000, hours: 24, now: Date.now() })));

test("dragging over the chart zooms, double-click goes back", { skip }, () =>
  againstMock({}, async (page) => {
    await shows(counts(page), "of 400");
    const box = await page.locator(".u-over").boundingBox();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 30, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=.*to=/);
    await shows(counts(page), /^\d\d events$/);
    await page.locator(".u-over").dblclick();
    await shows(counts(page), "of 400");
    assert.doesNotMatch(page.url(), /from=/);
  }));

for (const [width, height] of [[390, 844], [900, 700], [1440, 900]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`accessible at ${width} px, ${colorScheme}`, { skip }, () =>
      againstMock({}, async (page) => {
        await shows(counts(page), "of 400");
        await checkAccessibility(page, "rows");
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "no sideways scroll");
        await page.locator(".row .message").nth(1).click();
        await page.locator(".detail").waitFor();
        await checkAccessibility(page, "detail");
        await page.keyboard.press("Escape");
        await page.locator(".detail").waitFor({ state: "detached" });
        await page.keyboard.press("?");
        await page.locator(".dialog").waitFor();
        await checkAccessibility(page, "help");
      }, { width, height, colorScheme }));
  }
}
