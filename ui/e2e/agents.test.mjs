/** The page of agents, against the mock, and against the real binary where LOGSHIP_BIN names one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { file, makeAgents } from "../dev/agents.mjs";
import { MockStore, startMock } from "../dev/mock.mjs";
import { hasBrowser, CHROMIUM } from "./browser.mjs";
import { checkAccessibility, counts, lines, search, shows, withPage } from "./flow.mjs";
import { startBinary } from "./target.mjs";

const skip = hasBrowser ? false : `no browser at ${CHROMIUM} (CHROMIUM names another)`;
const bin = process.env.LOGSHIP_BIN;
const skipBinary = skip || (bin ? false : "LOGSHIP_BIN is not set: the real binary is not tested");

async function withAgents(steps, screen, options) {
  const store = new MockStore(lines().map((line) => JSON.parse(line)));
  store.agents = () => makeAgents(Date.now());
  const mock = await startMock(store, options);
  try {
    await withPage(`${mock.url}?page=agents`, (page) => steps(page, store, mock), screen);
  } finally {
    await mock.close();
  }
}

const fits = (page) => page.evaluate(() => [document.documentElement, document.querySelector(".agents")].every((node) => node.scrollWidth <= node.clientWidth));
const card = (page, name) => page.locator(".agent", { has: page.getByRole("button", { name, exact: true }) });
/** As if the tab had just been looked at again: the page asks at once. */
const lookAgain = (page) => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

for (const [width, height] of [[390, 844], [900, 700], [1440, 900]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`agents at ${width} px, ${colorScheme}`, { skip }, () =>
      withAgents(async (page) => {
        await shows(page.locator(".agents-head"), "4 known, 2 in trouble");
        assert.equal(await page.locator(".agent h2").first().textContent(), "db-1");
        const bad = card(page, "db-1");
        await shows(bad, "not reached");
        await shows(bad, "932 MiB of 1 GiB");
        await shows(bad, "420 over the rate limit");
        await shows(bad, "73 s ahead");
        await shows(bad.locator(".agent-error"), "the disk is full");
        await shows(bad.locator(".agent-files tbody tr").first(), "/srv/api/audit.log");
        assert.equal(await bad.locator(".agent-files tbody tr").count(), 5);
        await bad.getByRole("button", { name: "Show 9" }).click();
        assert.equal(await bad.locator(".agent-files tbody tr").count(), 9);
        await shows(card(page, "edge-lisbon-3"), "silent: last seen 7 min ago");
        await checkAccessibility(page, "agents");
        assert.ok(await fits(page), "no sideways scroll");
      }, { width, height, colorScheme }));
  }
}

for (const width of [360, 390]) {
  test(`the controls of a phone of ${width} px stand in one row above the query`, { skip }, () =>
    withAgents(async (page) => {
      await page.goto(`${new URL(page.url()).origin}/?from=now-15m&page=agents`);
      await page.locator(".agent").first().waitFor();
      assert.ok(await page.locator(".header").evaluate((node) => node.clientHeight < 100));
      assert.ok(await fits(page), "no sideways scroll");
    }, { width, height: 780 }));
}

test("a click on an agent or a file searches, and Back leads back", { skip }, () =>
  withAgents(async (page) => {
    await card(page, "web-1").getByRole("button", { name: "web-1", exact: true }).click();
    await page.locator(".agents").waitFor({ state: "detached" });
    assert.equal(await page.inputValue("#query"), 'host:"web-1"');
    assert.doesNotMatch(page.url(), /page=/);
    await page.goBack();
    await page.getByRole("button", { name: "/srv/api/audit.log" }).click();
    await page.waitForFunction(() => document.querySelector("#query").value === 'log.file.path:"/srv/api/audit.log"');
    assert.doesNotMatch(page.url(), /page=/);
    await page.goBack();
    await page.locator(".agent").first().waitFor();
    // Whoever types wants to see events.
    await search(page, "level:error");
    await shows(counts(page), "10 events");
  }));

test("agents by the keyboard", { skip }, () =>
  withAgents(async (page) => {
    await page.locator(".agent").first().waitFor();
    await page.keyboard.press("Escape");
    await shows(counts(page), "of 400");
    await page.keyboard.press("g");
    await page.locator(".agent").first().waitFor();
    assert.match(page.url(), /page=agents/);
    assert.equal(await page.title(), "Agents · logship");
    await page.keyboard.press("j");
    assert.doesNotMatch(page.url(), /event=/);
    await page.getByRole("button", { name: "Agents", exact: true }).press("Enter");
    await shows(counts(page), "of 400");
  }));

test("agents are told as they change, and an answer that does not come is said", { skip }, () =>
  withAgents(async (page, store, mock) => {
    await page.locator(".agent").first().waitFor();
    const more = Array.from({ length: 6 }, (_, i) => ({ name: `node-${i}`, seen: new Date().toISOString(), skew_ms: 0, status: { files_followed: 1, files: [file(`/var/log/n${i}.log`)] } }));
    store.agents = () => more;
    await shows(page.locator(".agents-head"), "6 known, all well");
    await page.getByRole("searchbox").fill("n4.log");
    assert.deepEqual(await page.locator(".agent h2").allTextContents(), ["node-4"]);
    await page.getByRole("searchbox").fill("nowhere");
    await shows(page.locator(".agents-none"), "No agent and no file");
    store.agents = () => [];
    await shows(page.locator(".command pre"), "logship agent --files");
    await checkAccessibility(page, "no agents");
    await mock.close();
    await lookAgain(page);
    await shows(page.locator(".agents > .failure"), "does not answer");
    await checkAccessibility(page, "agents unknown");
  }));

test("agents behind a token", { skip }, () =>
  withAgents(async (page) => {
    await page.fill("#token", "s3cret");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.locator(".agent").first().waitFor();
    assert.equal(await page.locator(".agents > .failure").count(), 0);
  }, {}, { token: "s3cret" }));

test("binary: agents", { skip: skipBinary }, async () => {
  const target = await startBinary(bin, lines());
  try {
    for (const { status } of makeAgents(Date.now())) {
      const reply = await fetch(`${target.url}api/v1/agents`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...status, time: new Date().toISOString() }) });
      assert.equal(reply.status, 200, await reply.text());
    }
    await withPage(`${target.url}?page=agents`, async (page) => {
      await shows(page.locator(".agents-head"), "4 known, 1 in trouble");
      await shows(card(page, "db-1").locator(".agent-files tbody tr").first(), "Permission denied");
      await shows(card(page, "web-1"), "right");
    });
  } finally {
    await target.stop();
  }
});
