// A coturn of a test's own on this machine, with the secret that it shares.
import { once } from "node:events"
import { existsSync } from "node:fs"
import { connect } from "node:net"
import type { TestContext } from "vitest"
import { eventually } from "./Client.ts"
import { freePort, Service, tempDir } from "./Process.ts"

const turnserver = "/usr/bin/turnserver"

/** Skips the test, and says why, where there is no coturn; on CI there is one. */
export const needsCoturn = ({ skip }: TestContext): void => {
  if (existsSync(turnserver)) return
  if (process.env["CI"] === "true") throw new Error(`there is no ${turnserver}`)
  skip(`there is no ${turnserver}`)
}

export interface Coturn extends AsyncDisposable {
  readonly url: string
}

const listens = async (port: number): Promise<boolean> => {
  const socket = connect(port, "127.0.0.1")
  try {
    await once(socket, "connect")
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Listening; stopped, and all its files gone, where its `await using` ends. */
export const startCoturn = async (secret: string): Promise<Coturn> => {
  const port = await freePort()
  await using resources = new AsyncDisposableStack()
  const dir = resources.use(tempDir())
  const service = resources.use(
    new Service(
      [
        turnserver,
        "-n",
        "--use-auth-secret",
        `--static-auth-secret=${secret}`,
        "--realm=roomkey.test",
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        `--listening-port=${port}`,
        "--no-tls",
        "--no-dtls",
        "--no-cli",
        `--userdb=${dir.path}/turndb`,
        `--pidfile=${dir.path}/turnserver.pid`,
        "--log-file=stdout"
      ],
      {},
      dir.path
    )
  )
  await eventually(10, "coturn listening", async () => {
    if (!service.running) throw new Error(`coturn ended:\n${service.output}`)
    return listens(port)
  })
  const owned = resources.move()
  return {
    url: `turn:127.0.0.1:${port}?transport=tcp`,
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}
