// Real processes on real ports, so one file at a time. ROOMKEY_E2E_RUNTIME names the runtime of the started service.
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/e2e/**/*.test.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // A shared machine may starve a process of its own for longer than a test can wait.
    retry: process.env["CI"] === undefined ? 0 : 1
  }
})
