/** Typing a query, and what the page says about answers that are not complete. For the mock and the real binary. */

import assert from "node:assert/strict";
import { checkAccessibility, counts, search, shows, withPage } from "./flow.mjs";

const KEY_MS = 25;

const isTyping = (page) => page.evaluate(() => document.activeElement?.id === "query");
const historyLength = (page) => page.evaluate(() => history.length);

/** Milliseconds from the last key to the first word about an error. */
async function complaintDelay(page, text) {
  await page.evaluate(() => {
    globalThis.typedAt = 0;
    globalThis.complainedAt = 0;
    document.querySelector("#query").addEventListener("input", () => (globalThis.typedAt = performance.now()));
    new MutationObserver(() => {
      if (document.querySelector(".query-error")) globalThis.complainedAt ||= performance.now();
    }).observe(document.body, { childList: true, subtree: true });
  });
  await page.locator("#query").pressSequentially(text, { delay: KEY_MS });
  await page.locator(".query-error").waitFor();
  return page.evaluate(() => globalThis.complainedAt - globalThis.typedAt);
}

export async function typingFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    const before = await historyLength(page);
    const box = page.locator("#query");
    await box.focus();
    await box.pressSequentially("level:error", { delay: KEY_MS });
    await shows(counts(page), "10 events");
    await shows(page.locator(".legend-item"), "error 10");
    await shows(page.locator(".value-count"), /^10$/);
    assert.ok(await isTyping(page));
    assert.doesNotMatch(page.url(), /q=/);
    assert.equal(await historyLength(page), before);

    // Half a query is no mistake: the rows stay, and nothing is said for a while.
    const delay = await complaintDelay(page, " (");
    assert.ok(delay > 600, `complained after ${Math.round(delay)} ms`);
    assert.ok((await page.locator(".row").count()) > 0);
    assert.ok(await isTyping(page));
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Backspace");
    await page.locator(".query-error").waitFor({ state: "detached" });
    await shows(counts(page), "10 events");

    // Enter makes the one entry in the history.
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=level:error/);
    assert.equal(await historyLength(page), before + 1);
    await page.goBack();
    await shows(counts(page), "of 400");
    assert.equal(await page.inputValue("#query"), "");

    // Leaving the box does, too. Half a word finds nothing, which is no news while it is typed.
    await box.focus();
    await page.evaluate(() => {
      globalThis.sawNothing = false;
      new MutationObserver(() => (globalThis.sawNothing ||= document.querySelector(".empty") !== null)).observe(document.body, { childList: true, subtree: true });
    });
    const half = page.waitForResponse(/search\?q=timeo&/);
    await box.pressSequentially("timeo", { delay: KEY_MS });
    await (await half).finished();
    await box.pressSequentially("ut", { delay: KEY_MS });
    await shows(counts(page), "10 events");
    assert.equal(await page.evaluate(() => globalThis.sawNothing), false);
    await page.keyboard.press("Backspace");
    await shows(page.locator(".empty h1"), "Nothing found");
    await page.getByRole("button", { name: "Search timeou*" }).waitFor();
    await page.keyboard.type("t");
    await shows(counts(page), "10 events");
    await page.keyboard.press("Escape");
    await page.waitForURL(/q=timeout/);
    await shows(counts(page), "10 events");
  });
}

/** A server that is slow: the search for what is no longer typed is given up. */
export async function overtakenFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    const held = [];
    await page.route("**/api/v1/search?*", (route) => (new URL(route.request().url()).searchParams.get("q") === "upstream" ? void held.push(route) : route.continue()));
    const asked = page.waitForRequest(/search\?.*q=upstream/);
    const dropped = page.waitForEvent("requestfailed", (request) => /search\?.*q=upstream(&|$)/.test(request.url()));
    await page.locator("#query").focus();
    await page.keyboard.type("upstream");
    await asked;
    await shows(counts(page), "Searching");
    assert.ok((await page.locator(".row").count()) > 0);
    await page.keyboard.type(" timeout");
    await dropped;
    await shows(counts(page), "10 events");
    assert.equal(held.length, 1);
  });
}

export async function guessFlow(target, wrong, right) {
  await withPage(target.url, async (page) => {
    await search(page, `-info ${wrong}:error`);
    await shows(page.locator(".warning"), "did you mean");
    await checkAccessibility(page, "with a guess");
    await page.getByRole("button", { name: `Search with ${right}` }).click();
    await page.waitForFunction((q) => document.querySelector("#query").value === q, `-info ${right}:error`);
    await shows(counts(page), "10 events");
    assert.match(decodeURIComponent(page.url()), new RegExp(`${right}:error`));
  });
}

async function alter(page, path, change) {
  await page.route(`**/api/v1/${path}?*`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: change(await response.json()) });
  });
}

/** Counts that are too small say so at each place. */
export async function incompleteFlow(target) {
  await withPage(target.url, async (page) => {
    const late = "the time for this answer ran out";
    await alter(page, "histogram", (reply) => ({ ...reply, relation: "gte", warnings: [late] }));
    await alter(page, "fields/values", (reply) => ({ ...reply, relation: "gte", warnings: [late, "there are too many values"] }));
    await page.reload();
    await shows(page.locator(".chart-note"), "the time for this answer ran out");
    await shows(page.locator(".legend-item"), "error ≥ 10");
    await shows(page.locator(".value-count"), "≥ 10");
    await shows(page.locator(".values-note"), "there are too many values");
    assert.equal(await page.locator(".values-note", { hasText: late }).count(), 0);
    await checkAccessibility(page, "incomplete counts");
  });
}

const DEADLINE = "the time for this search ran out at events of today: older ones come with the next page";

/** Pages that end at the deadline without rows: followed, stopped, gone on with. */
export async function seekingFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    let answers = 0;
    let hold = true;
    const held = [];
    const empty = (cursor) => ({ took_ms: 1, rows: 0, matched: 0, relation: "gte", cursor, position: "4f2a9c01d3b7-1", words: [], partial: true, warnings: [DEADLINE] });
    await page.route("**/api/v1/search?*", async (route) => {
      const url = new URL(route.request().url());
      const cursor = url.searchParams.get("cursor");
      if (cursor === "deep" && hold) return void held.push(route);
      if (cursor === "deep") {
        url.searchParams.delete("cursor");
        return route.fulfill({ response: await route.fetch({ url: url.href }) });
      }
      answers += 1;
      const body = `${JSON.stringify({ _trailer: empty(answers < 3 ? `c${answers}` : "deep") })}\n`;
      return route.fulfill({ contentType: "application/x-ndjson", body });
    });
    await search(page, "level:error");
    await shows(page.locator(".empty h1"), "Nothing found yet");
    await shows(page.locator(".seeking"), "Still searching older events");
    await checkAccessibility(page, "seeking");
    await page.getByRole("button", { name: "Stop" }).click();
    await shows(page.locator(".seeking"), "Older events were not searched");
    assert.equal(answers, 3);
    hold = false;
    await page.getByRole("button", { name: "Go on" }).click();
    await shows(counts(page), "10 events");
    assert.equal(await page.locator(".warning, .flag").count(), 0);
  });
}
