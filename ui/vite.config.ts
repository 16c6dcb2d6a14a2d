import { defineConfig } from "vitest/config";

const server = process.env.LOGSHIP_URL ?? "http://127.0.0.1:7447";

export default defineConfig({
  build: {
    // light-dark() and the other features used reach back to these versions.
    target: ["chrome123", "firefox128", "safari17.5"],
    // The server's policy is `default-src 'self'`: an asset inlined as a data: address would be refused.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": server, "/metrics": server } },
  test: { include: ["test/**/*.test.ts"] },
});
