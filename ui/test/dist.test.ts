/** The committed build: small enough, and loadable under `default-src 'self'`. */

import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const DIST = new URL("../dist/", import.meta.url);
const GZIP_BYTES_MAX = 75_000;

const files = ["index.html", ...readdirSync(new URL("assets/", DIST)).map((name) => `assets/${name}`)];
const html = readFileSync(new URL("index.html", DIST), "utf8");

test("the page is small", () => {
  const sizes = files.map((file) => gzipSync(readFileSync(new URL(file, DIST)), { level: 9 }).length);
  expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(GZIP_BYTES_MAX);
});

test("nothing inline, nothing from elsewhere", () => {
  expect(html).not.toMatch(/<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=|data:|https?:/);
  for (const file of files.filter((f) => f.endsWith(".css"))) {
    expect(readFileSync(new URL(file, DIST), "utf8")).not.toMatch(/url\(|@import|https?:/);
  }
});

test("every asset has its hash in its name and is used", () => {
  for (const file of files.slice(1)) {
    expect(file).toMatch(/-[\w-]{8}\.\w+$/);
    expect(html).toContain(`/${file}`);
  }
});
