// What npm would publish, installed where there is nothing else: the README's example runs against it, and its command
// line works.
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { nodePath, root, runtime, Service, tempDir } from "./support/Process.ts"

const PATH = `${dirname(nodePath)}:${process.env["PATH"]}`

const run = async (cwd: string, file: string, ...args: ReadonlyArray<string>) => {
  const env = { ...process.env, PATH, CI: "true" }
  const { stdout } = await promisify(execFile)(file, args, { cwd, env, maxBuffer: 16 * 1024 * 1024 })
  return stdout
}

/** An example as a program outside of the repository writes it. */
const example = (name: string) =>
  readFileSync(join(root, `test/example/${name}.ts`), "utf8")
    .replaceAll(/"\.\.\/\.\.\/src\/(.+?)(?:\/index)?\.ts"/g, '"roomkey/$1"')

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
    for (const name of ["embed", "client", "clientEffect"]) {
      const source = example(name)
      assert.notInclude(source, "../")
      writeFileSync(join(dir.path, `${name}.ts`), source)
    }
    assert.include(await run(dir.path, nodePath, "embed.ts"), "ada is signed in")
    const shown =
      "console.log(Object.keys({ ...await import('./client.ts'), ...await import('./clientEffect.ts') }).join())"
    assert.include(await run(dir.path, nodePath, "--input-type=module", "-e", shown), "visit,count")

    const strict = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", "--skipLibCheck"]
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"]
    await run(dir.path, nodePath, join(root, "node_modules/.bin/tsc"), ...strict, ...types, "embed.ts")
    // As an app for browsers: without the types of Node.
    const browser = [...strict, "--types", "", "--lib", "es2024,dom"]
    await run(dir.path, nodePath, join(root, "node_modules/.bin/tsc"), ...browser, "client.ts", "clientEffect.ts")

    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    const roomkey = join(dir.path, "node_modules/.bin/roomkey")
    assert.include(await run(dir.path, roomkey, "--version"), version)
    const env = { PATH, HOST: "127.0.0.1", PORT: "0", DATA_DIR: join(dir.path, "data") }
    await using served = new Service([roomkey, "serve"], env, dir.path)
    const [, port] = await served.waitFor(/Listening on http:\/\/[^\s"]*:(\d+)/)
    const script = async (path: string) => (await fetch(`http://127.0.0.1:${port}/demo/${path}`)).text()
    assert.include(await script(""), 'src="app/demo.js"')
    assert.include(await script("app/demo.js"), 'from "../client/index.js"')
    assert.include(await script("client/index.js"), 'from "./Realtime.js"')
    assert.include(await script("demo.css"), "prefers-color-scheme")
    // The admin key is the one that the instance has just made in the data directory.
    await using listed = new Service([roomkey, "tenant", "list", "--url", `http://127.0.0.1:${port}`], env, dir.path)
    assert.deepEqual(await listed.exited, { code: 0, signal: null }, listed.output)
    assert.match(listed.output, /^1 {3}Demo {2}vc_app_/m)
  }, 120_000)
})
