// What PGlite writes survives a power cut as PostgreSQL's own files would: PGlite runs with `fsync` off and its
// `fdatasync` does nothing, so the file system syncs here. The write-ahead log is synced once for all that was answered
// together, without blocking this process, before any answer leaves; and always before anything that relies on it.
// @effect-diagnostics asyncFunction:off -- PGlite's file systems are promises
import { PGlite } from "@electric-sql/pglite"
import { NodeFS } from "@electric-sql/pglite/nodefs"
import fs from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"

interface FileStream {
  readonly nfd: number
  readonly path: string
}

type Operations = Record<string, (...args: Array<any>) => unknown>

/** The parts of PGlite's compiled module that this file system is made of. */
interface Module {
  readonly FS: { readonly ErrnoError: new (errno: number) => Error }
  readonly NODEFS: {
    readonly node_ops: Operations
    readonly stream_ops: Operations & {
      write: (stream: FileStream, ...rest: Array<unknown>) => unknown
      fsync?: (stream: FileStream) => number
    }
  }
}

/** EIO, as WASI numbers it. */
const ioError = 29

const directoryChanges = ["setattr", "mknod", "rename", "unlink", "rmdir", "symlink"]

const isLog = (stream: FileStream) => /\/pg_wal\/[0-9A-F]{24}$/.test(stream.path)

class PgliteFiles extends NodeFS {
  /** Segments of the write-ahead log that PostgreSQL believes to be on disk. */
  readonly #owed = new Set<FileStream>()

  override async init(...[pg, options]: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(pg, options)
    const preRun = [emscriptenOpts.preRun ?? []].flat()
    const hook = (module: unknown) => this.#hook(module as Module)
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [hook, ...preRun] } as typeof emscriptenOpts }
  }

  override async syncToFs(): Promise<void> {
    const owed = [...this.#owed]
    await Promise.all(
      owed.map(({ nfd }) =>
        new Promise<void>((done, failed) => fs.fsync(nfd, (error) => error === null ? done() : failed(error)))
      )
    )
    for (const stream of owed) this.#owed.delete(stream)
  }

  #payNow(): void {
    for (const stream of this.#owed) {
      fs.fsyncSync(stream.nfd)
      this.#owed.delete(stream)
    }
  }

  #hook({ FS, NODEFS: { node_ops: nodeOps, stream_ops: streamOps } }: Module): void {
    const reported = <A>(act: () => A): A => {
      try {
        return act()
      } catch (error) {
        throw error instanceof FS.ErrnoError ? error : new FS.ErrnoError(ioError)
      }
    }
    streamOps.fsync = (stream) =>
      reported(() => {
        if (isLog(stream)) {
          this.#owed.add(stream)
        } else {
          this.#payNow()
          fs.fsyncSync(stream.nfd)
        }
        return 0
      })
    // The log goes before the data: a page on disk that the log knows nothing of could not be repaired.
    const { write } = streamOps
    streamOps.write = (stream, ...rest) => {
      if (this.#owed.size > 0 && !isLog(stream)) reported(() => this.#payNow())
      return write(stream, ...rest)
    }
    for (
      const [operations, names] of [[nodeOps, directoryChanges], [streamOps, ["close", "setattr"]]] satisfies Array<
        [Operations, ReadonlyArray<string>]
      >
    ) {
      for (const name of names) {
        const change = operations[name]!
        operations[name] = (...args) => {
          if (this.#owed.size > 0) reported(() => this.#payNow())
          return change(...args)
        }
      }
    }
  }
}

/** How to open a database in a directory. `fsync` must be on, and the log synced by the one call that arrives here. */
export const options = (dataDir: string) => ({
  fs: new PgliteFiles(dataDir),
  startParams: [...PGlite.defaultStartParams.filter((name) => name !== "-F"), "-c", "wal_sync_method=fsync"]
})

/** Puts a file, or the names in a directory, on disk. */
export const sync = (path: string): void => {
  const fd = fs.openSync(path, "r")
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Puts a directory and all that is in it on disk. */
export const syncTree = async (path: string): Promise<void> => {
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    sync(join(entry.parentPath, entry.name))
  }
  sync(path)
}
