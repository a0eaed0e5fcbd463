// What others would run instead. Installed by name and version into a folder of the run's own, never among the project's
// dependencies; where that fails, their rows say why and the rest goes on.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { output } from "../Processes.ts"

export const versions = {
  "@node-rs/argon2": "2.2.1",
  "better-auth": "1.7.25",
  fastify: "5.12.8",
  pg: "8.23.1"
}

export interface Peers extends Disposable {
  readonly dir: string
}

/** `given` is a folder where they are installed already. */
export const installPeers = async (given: string | undefined): Promise<Peers> => {
  if (given !== undefined) return { dir: given, [Symbol.dispose]: () => undefined }
  const dir = mkdtempSync(join(tmpdir(), "roomkey-bench-peers-"))
  const peers = { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) }
  try {
    writeFileSync(join(dir, "package.json"), JSON.stringify({ private: true, dependencies: versions }))
    await output("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], {
      cwd: dir,
      // Not the settings of the project whose script this is.
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(?:package|lifecycle)_/.test(name)))
    })
    return peers
  } catch (error) {
    peers[Symbol.dispose]()
    throw error
  }
}
