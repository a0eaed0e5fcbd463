// A TCP proxy between Roomkey and PostgreSQL that can fail in the ways that networks and servers fail.
import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"

export type Fault =
  /** Nobody listens; what was open is cut. */
  | "refuses connections"
  /** Every connection, old or new, is cut at once. */
  | "cuts connections"
  /** Connections are accepted and stay open, and no byte passes until it is over. */
  | "answers nothing"
  /** As above, and what was open then never passes a byte again: nobody is told that the far end forgot it. */
  | "forgets connections"

const join = (near: Socket, far: Socket): void => {
  near.pipe(far)
  far.pipe(near)
}

export class Proxy implements AsyncDisposable {
  readonly #target: URL
  readonly #connections = new Set<readonly [near: Socket, far: Socket | undefined]>()
  #server: Server
  #port = 0
  #fault: Fault | undefined

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = this.#makeServer()
  }

  /** In front of the database that `target` names; passes everything. */
  static async to(target: string): Promise<Proxy> {
    const proxy = new Proxy(target)
    await proxy.#listen()
    return proxy
  }

  /** The database, through here. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = "127.0.0.1"
    url.port = String(this.#port)
    return url.href
  }

  async fail(fault: Fault): Promise<void> {
    this.#fault = fault
    switch (fault) {
      case "refuses connections":
        this.#server.close()
        return this.#cutAll()
      case "cuts connections":
        return this.#cutAll()
      case "answers nothing":
      case "forgets connections":
        for (const [near, far] of this.#connections) {
          near.unpipe().pause()
          far?.unpipe().pause()
        }
    }
  }

  async recover(): Promise<void> {
    const fault = this.#fault
    this.#fault = undefined
    if (!this.#server.listening) {
      this.#server = this.#makeServer()
      await this.#listen()
    }
    if (fault !== "answers nothing") return
    const waiting = [...this.#connections]
    for (const [near, far] of waiting) {
      if (far === undefined) this.#join(near)
      else join(near, far)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#cutAll()
  }

  #makeServer(): Server {
    return createServer({ pauseOnConnect: true }, (near) => {
      near.on("error", () => undefined)
      if (this.#fault === undefined) this.#join(near)
      else if (this.#fault === "cuts connections") near.resetAndDestroy()
      else this.#keep(near, undefined)
    })
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1")
    await once(this.#server, "listening")
    const address = this.#server.address()
    if (typeof address === "object" && address !== null) this.#port = address.port
  }

  #join(near: Socket): void {
    const far = connect(Number(this.#target.port || 5432), this.#target.hostname)
    far.on("error", () => near.destroy())
    far.once("close", () => near.destroy())
    near.once("close", () => far.destroy())
    join(near, far)
    this.#keep(near, far)
  }

  #keep(near: Socket, far: Socket | undefined): void {
    const connection = [near, far] as const
    this.#connections.add(connection)
    near.once("close", () => this.#connections.delete(connection))
  }

  #cutAll(): void {
    for (const [near, far] of this.#connections) {
      near.resetAndDestroy()
      far?.destroy()
    }
  }
}
