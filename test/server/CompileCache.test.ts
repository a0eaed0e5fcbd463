import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { nodeCommand, root } from "../e2e/support/Process.ts"

const script = `
  import { getCompileCacheDir } from "node:module"
  console.log(getCompileCacheDir() ?? "none")`

/** Where Node keeps what it compiles from before the program of `npm start` is loaded. */
const keptIn = (env: Readonly<Record<string, string>>): string => {
  const [node, ...flags] = nodeCommand().slice(0, -1)
  return execFileSync(node!, [...flags, "--input-type=module", "--eval", script], { cwd: root, env, encoding: "utf8" })
    .trim()
}

describe("CompileCache", () => {
  it("keeps it in the home of whoever runs the process, whatever HOME says", () => {
    assert.isTrue(keptIn({ HOME: "/somewhere" }).startsWith(join(userInfo().homedir, ".cache", "roomkey")))
  })

  it("leaves the folder that NODE_COMPILE_CACHE names, and keeps nothing where that is switched off", () => {
    const folder = mkdtempSync(join(tmpdir(), "roomkey-compile-cache-"))
    try {
      assert.isTrue(keptIn({ NODE_COMPILE_CACHE: folder }).startsWith(folder))
      assert.strictEqual(keptIn({ NODE_DISABLE_COMPILE_CACHE: "1" }), "none")
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
