// What npm would publish, installed where there is nothing else, and the README's example run against it.
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { nodePath, root, runtime, tempDir } from "./support/Process.ts"

const run = async (cwd: string, file: string, ...args: ReadonlyArray<string>) => {
  const env = { ...process.env, PATH: `${dirname(nodePath)}:${process.env["PATH"]}`, CI: "true" }
  const { stdout } = await promisify(execFile)(file, args, { cwd, env, maxBuffer: 16 * 1024 * 1024 })
  return stdout
}

/** The example as a program outside of the repository writes it. */
const example = () =>
  readFileSync(join(root, "test/example/embed.ts"), "utf8").replaceAll(/"\.\.\/\.\.\/src\/(.+)\.ts"/g, '"roomkey/$1"')

describe("Package", () => {
  it("installs from its tarball into an empty folder, type-checks and runs the example there", async ({ skip }) => {
    skip(runtime !== "node", "the tarball is for Node; Deno runs src itself")
    using dir = tempDir()
    const packed = await run(root, "npm", "pack", "--json", "--pack-destination", dir.path)
    const { filename, files } = [JSON.parse(packed)].flatMap((parsed) => Object.values(parsed)).at(0) as {
      readonly filename: string
      readonly files: ReadonlyArray<{ readonly path: string }>
    }
    const strays = files.map(({ path }) => path).filter((path) =>
      !/^(?:dist\/|package\.json|README\.md|LICENSE)/.test(path)
    )
    assert.deepEqual(strays, [])

    writeFileSync(join(dir.path, "package.json"), JSON.stringify({ type: "module", private: true }))
    await run(dir.path, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", `./${filename}`)
    const source = example()
    assert.notInclude(source, "../")
    writeFileSync(join(dir.path, "embed.ts"), source)
    assert.include(await run(dir.path, nodePath, "embed.ts"), "ada is signed in")

    const strict = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", "--skipLibCheck"]
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"]
    await run(dir.path, nodePath, join(root, "node_modules/.bin/tsc"), ...strict, ...types, "embed.ts")
  }, 120_000)
})
