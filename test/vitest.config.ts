// Everything but the end-to-end suite. Two workers: each holds an embedded database of some hundred megabytes.
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", "**/node_modules/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // A shared machine may starve a process of its own for longer than a test can wait.
    retry: process.env["CI"] === undefined ? 0 : 1
  }
})
