/** What someone does with the page, step by step. The same for the mock and for the real binary. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { launch } from "./browser.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WAIT_MS = 8000;

const at = (secondsAgo) => new Date(Date.now() - secondsAgo * 1000).toISOString();

export function lines() {
  const out = [];
  for (let i = 0; i < 400; i += 1) {
    const level = i % 40 === 0 ? "error" : i % 10 === 0 ? "warn" : "info";
    const service = i % 3 === 0 ? "api" : "web";
    const message = level === "error" ? `upstream timeout for job ${i}\n\tat a.b.C.run(C.java:1)\n\tat a.b.D.go(D.java:2)` : `request ${i} done`;
    out.push(JSON.stringify({ "@timestamp": at(3600 - i * 8), message, log: { level }, service: { name: service }, request: { n: i } }));
  }
  return out;
}

/** Runs `steps(t)` in a new page of a new browser and demands that the console stayed silent. */
export async function withPage(url, steps, { width = 1440, height = 900, colorScheme = "light", hasTouch = false } = {}) {
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, hasTouch, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      // A refused request is also written to the console; the page shows those itself.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
    });
    await page.goto(url);
    await steps(page);
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
}

export const counts = (page) => page.locator(".counts");

export async function shows(locator, text) {
  const wanted = text instanceof RegExp ? text : new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  await locator.filter({ hasText: wanted }).first().waitFor();
}

export async function search(page, query) {
  await page.fill("#query", query);
  await page.press("#query", "Enter");
}

/** Fails on what axe calls serious or critical. */
export async function checkAccessibility(page, where) {
  // The policy of the page forbids adding a script element; evaluating needs none.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const grave = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const told = grave.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(" ")} ${n.failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, [], where);
}

export async function mainFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    await checkAccessibility(page, "first page");

    await search(page, "level:error");
    await shows(counts(page), "10 events");
    assert.match(page.url(), /q=level:error/);
    await shows(page.locator(".more-lines"), "+2 lines");

    // A click on a value offers what to do with it; the query text says what was done.
    await page.locator(".row .service", { hasText: "api" }).first().click();
    await page.getByRole("menuitem", { name: "Include" }).click();
    await page.waitForFunction(() => document.querySelector("#query").value === 'level:error service:"api"');
    await shows(counts(page), "4 events");

    await page.locator(".row .message").first().click();
    await page.locator(".detail .value", { hasText: "api" }).click();
    await page.getByRole("menuitem", { name: "Exclude" }).click();
    await page.waitForFunction(() => document.querySelector("#query").value.includes('-service.name:"api"'));
    await checkAccessibility(page, "with the detail open");
    await page.keyboard.press("Escape");
    await page.locator(".detail").waitFor({ state: "detached" });

    await page.goBack();
    await search(page, "timeout");
    await shows(counts(page), "10 events");
    await page.locator(".row mark", { hasText: "timeout" }).first().waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await shows(page.locator(".detail-message"), "D.java");
    const address = page.url();
    assert.match(address, /event=/);
    await page.reload();
    await shows(page.locator(".detail-message"), "D.java");
    assert.equal(page.url(), address);
    assert.equal(await page.inputValue("#query"), "timeout");
    await page.keyboard.press("Escape");

    await search(page, "service:api level:");
    await page.locator(".query-error").waitFor();
    assert.notEqual((await page.locator(".query-error").textContent()).trim(), "");
    await page.locator(".query-under mark").waitFor();
    await checkAccessibility(page, "with a bad query");
  });
}

export async function liveFlow(target) {
  await withPage(target.url, async (page) => {
    await search(page, "tick");
    await shows(page.locator(".empty h1"), "Nothing found");
    await page.getByRole("button", { name: "Live", exact: true }).click();
    await shows(page.locator(".live-state"), "live, ");
    await page.locator(".live.on.open").waitFor();
    target.send(JSON.stringify({ "@timestamp": at(0), message: "tick one", log: { level: "info" } }));
    await shows(page.locator(".row .message"), "tick one");
    for (let i = 0; i < 120; i += 1) target.send(JSON.stringify({ "@timestamp": at(0), message: `tick ${i}` }));
    await shows(page.locator(".live-state"), "121 new events");

    // Away from the top nothing moves; the pill says what waits.
    const list = page.locator("#rows");
    await list.evaluate((node) => node.scrollTo(0, 600));
    await page.locator('[aria-rowindex="1"]').waitFor({ state: "detached" });
    const inSight = () => page.evaluate(() => document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest(".row")?.textContent);
    const before = await inSight();
    assert.match(before ?? "", /tick/);
    target.send(JSON.stringify({ "@timestamp": at(0), message: "tick late" }));
    await shows(page.locator(".new-rows"), "1 new");
    assert.equal(await inSight(), before);
    await page.locator(".new-rows").click();
    await shows(page.locator(".row .message"), "tick late");
    await checkAccessibility(page, "live");
    assert.match(page.url(), /live=1/);
  });
}

/** On a phone the fields are a drawer; their values count the events of the query. */
export async function drawerFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    await page.locator(".sidebar-toggle").press("Enter");
    const drawer = page.getByRole("dialog", { name: "Fields" });
    const value = (name) => drawer.locator(".value-include", { hasText: name }).locator(".value-count");
    await shows(value("error"), /^10$/);
    await checkAccessibility(page, "with the fields open");
    await drawer.locator(".value-include", { hasText: "error" }).click();
    await shows(value("web"), /^6$/);
    await drawer.getByRole("button", { name: "Show 10 events" }).click();
    await drawer.waitFor({ state: "detached" });
    await shows(counts(page), "10 events");
    assert.ok(await page.locator(".sidebar-toggle").evaluate((node) => node === document.activeElement));
    await page.keyboard.press("f");
    await drawer.waitFor();
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "detached" });
  }, { width: 390, height: 844 });
}

/** A query that cannot be read cuts off the chart of the rows that stay; it has to come back. */
export async function interruptedFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    const held = [];
    await page.route("**/api/v1/histogram?*", (route) => (held.length === 0 ? void held.push(route) : route.continue()));
    await page.reload();
    await shows(counts(page), "of 400");
    assert.equal(await page.locator(".legend-item").count(), 0);
    await search(page, "level:");
    await page.locator(".query-error").waitFor();
    await shows(page.locator(".legend-item"), "error 10");
    await page.locator(".chart-host canvas").waitFor();
    await shows(counts(page), "from the search before");
    await search(page, "level:error");
    await shows(counts(page), "10 events");
    await shows(page.locator(".legend-item"), "error 10");
  });
}

/** Nothing in the range: what other times hold decides what is offered. */
export async function nothingFlow(target) {
  await withPage(`${target.url}?q=level:error&from=now-5m`, async (page) => {
    await shows(page.locator(".empty h1"), "Nothing found");
    await shows(page.locator(".empty p"), "At other times 10 events match");
    await checkAccessibility(page, "nothing in the range");
    await page.getByRole("button", { name: "Last hour" }).waitFor();
    await page.getByRole("button", { name: "Search all time" }).click();
    await shows(counts(page), "10 events");
    await page.goto(`${target.url}?q=nowhere&from=now-5m`);
    await shows(page.locator(".empty p"), "a longer range would not help");
    assert.equal(await page.getByRole("button", { name: "Search all time" }).count(), 0);
  });
}

/** From the query to the rows and into the fields of one, without a mouse. */
export async function keyboardFlow(target) {
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    await page.keyboard.press("/");
    await page.keyboard.type("level:error");
    await page.keyboard.press("Enter");
    await shows(counts(page), "10 events");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.locator('.row.active[aria-rowindex="2"]').waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^Exclude service.name/ }).press("Enter");
    await page.waitForFunction(() => document.querySelector("#query").value.startsWith("level:error -service.name:"));
    await shows(counts(page), /^[46] events$/);
    // The same button takes its filter out again.
    await page.getByRole("button", { name: /^Exclude service.name/ }).press("Enter");
    await shows(counts(page), "10 events");
    assert.equal(await page.inputValue("#query"), "level:error");
    await page.getByRole("button", { name: "Copy JSON" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".detail").waitFor({ state: "detached" });
  });
}

/** The server dies with live on and comes back on the same data: the page goes on by itself. */
export async function crashFlow(target) {
  let back;
  await withPage(target.url, async (page) => {
    await shows(counts(page), "of 400");
    await page.keyboard.press("t");
    await page.locator(".live.on.open").waitFor();
    await target.crash();
    await shows(page.locator(".live-state"), "live interrupted");
    await search(page, "request");
    await shows(page.locator(".failure"), "No answer from");
    await checkAccessibility(page, "server away");
    back = await target.again();
    await page.locator(".failure").waitFor({ state: "detached", timeout: 30_000 });
    await shows(counts(page), "of 390");
    await page.locator(".live.on.open").waitFor();
    back.send(JSON.stringify({ "@timestamp": at(0), message: "request after the crash" }));
    await shows(page.locator(".row .message"), "request after the crash");
    assert.equal(await page.locator(".row .message", { hasText: "after the crash" }).count(), 1);
  });
  await back?.stop();
}
