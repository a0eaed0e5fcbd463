// A client cannot tell the stream from a server: its answers depend on what was said, not on how it was cut, and a
// session leaves nothing behind for the next.
import { PGlite } from "@electric-sql/pglite"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { PgliteGate, PgliteStream } from "../../src/postgres/PgliteStream.ts"

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const text = (value: string) => Buffer.from(`${value}\0`)
const none = Buffer.alloc(2)
const message = (type: string, ...parts: ReadonlyArray<Buffer>) => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}
const untyped = (...parts: ReadonlyArray<Buffer>) => message("", ...parts)

const startup = untyped(int32(196_608), text("user"), text("postgres"), Buffer.alloc(1))
const sslRequest = untyped(int32(80_877_103))
const cancelRequest = untyped(int32(80_877_102), int32(1), int32(2))
const query = (sql: string) => message("Q", text(sql))
const parse = (name: string, sql: string) => message("P", text(name), text(sql), none)
const bind = (name: string) => message("B", text(""), text(name), none, none, none)
const execute = message("E", text(""), int32(0))
const sync = message("S")
const terminate = message("X")
const statement = (sql: string) => Buffer.concat([parse("", sql), bind(""), execute, sync])

/** What came back, one entry a message: its type, and the text of a row, a tag, an error's state or a status. */
const readable = (bytes: Buffer): ReadonlyArray<string> => {
  const answers: Array<string> = []
  for (let at = 0; at < bytes.length;) {
    const type = String.fromCharCode(bytes[at]!)
    const end = at + 1 + bytes.readInt32BE(at + 1)
    const body = bytes.subarray(at + 5, end)
    if (type === "D") answers.push(`D ${body.subarray(6).toString()}`)
    else if (type === "Z") answers.push(`Z ${body.toString()}`)
    else if (type === "C") answers.push(`C ${body.subarray(0, -1).toString()}`)
    else if (type === "E") answers.push(`E ${/\0C(.{5})/.exec(body.toString())![1]}`)
    // A parameter's status comes when it likes.
    else if (type !== "S") answers.push(type)
    at = end
  }
  return answers
}

const heardOf = (stream: PgliteStream, event: "end" | "close") => new Promise<void>((done) => stream.once(event, done))

const opened = new Set<PgliteStream>()

/** A stream, and what it has said since it was last asked. */
const connect = (gate: PgliteGate) => {
  const stream = new PgliteStream(gate)
  opened.add(stream)
  let heard = Buffer.alloc(0)
  stream.on("data", (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk])
  })
  stream.on("error", () => undefined)
  const ends = heardOf(stream, "end")
  return {
    stream,
    ends,
    heard: () => heard,
    answers: () => readable(heard),
    /** Resolves when what was written has been answered. */
    write: (...chunks: ReadonlyArray<Uint8Array>) =>
      new Promise<void>((done, failed) => {
        for (const chunk of chunks.slice(0, -1)) stream.write(chunk)
        // What has been pushed reaches its listener a tick later.
        stream.write(chunks.at(-1)!, (error) => error ? failed(error) : setImmediate(done))
      }),
    take: () => {
      const answers = readable(heard)
      heard = Buffer.alloc(0)
      return answers
    }
  }
}

const begin = async (gate: PgliteGate) => {
  const client = connect(gate)
  await client.write(startup)
  client.take()
  return client
}

const hangUp = async (stream: PgliteStream) => {
  const closed = heardOf(stream, "close")
  stream.destroy()
  await closed
}

describe("PgliteStream", () => {
  let db: PGlite
  let gate: PgliteGate
  beforeAll(async () => {
    db = await PGlite.create()
    gate = new PgliteGate(db)
  }, 60_000)
  afterEach(() => {
    for (const stream of opened) stream.destroy()
    opened.clear()
  })
  afterAll(() => db.close())

  const conversation = Buffer.concat([
    sslRequest,
    startup,
    query("select 'simple'"),
    statement("select 'one'"),
    parse("kept", "select 'kept'"),
    sync,
    statement("selec"),
    bind("kept"),
    execute,
    sync,
    statement("begin"),
    statement("select 1 / 0"),
    statement("rollback"),
    terminate
  ])
  const answered = [
    ["T", "D simple", "C SELECT 1", "Z I"],
    ["1", "2", "D one", "C SELECT 1", "Z I"],
    ["1", "Z I"],
    ["E 42601", "Z I"],
    ["2", "D kept", "C SELECT 1", "Z I"],
    ["1", "2", "C BEGIN", "Z T"],
    ["1", "E 22012", "Z E"],
    ["1", "2", "C ROLLBACK", "Z I"]
  ].flat()
  const converse = async (chunks: ReadonlyArray<Uint8Array>) => {
    const client = connect(gate)
    client.stream.cork()
    for (const chunk of chunks) client.stream.write(chunk)
    client.stream.uncork()
    await client.ends
    assert.strictEqual(client.heard().subarray(0, 1).toString(), "N")
    const answers = readable(client.heard().subarray(1))
    return answers.slice(answers.indexOf("Z I") + 1)
  }
  const cut = (bytes: Buffer, at: ReadonlyArray<number>) => {
    const edges = [0, ...at.map((edge) => edge % bytes.length).sort((a, b) => a - b), bytes.length]
    return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge)).filter(({ length }) => length > 0)
  }

  it("answers a whole conversation in one chunk: an error costs its own statement only", async () => {
    assert.deepEqual(await converse([conversation]), answered)
  })

  it("answers the same to a conversation that comes byte by byte", async () => {
    assert.deepEqual(await converse(Array.from(conversation, (byte) => Buffer.of(byte))), answered)
  })

  it.effect.prop(
    "answers the same however a conversation is cut",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9999 })))],
    ([at]) =>
      Effect.gen(function* () {
        assert.deepEqual(yield* Effect.promise(() => converse(cut(conversation, at))), answered)
      })
  )

  it("rolls back the transaction of a stream that goes away, and forgets its session", async () => {
    const first = await begin(gate)
    await first.write(
      query("create table kept (id int)"),
      query("set application_name to 'first'"),
      query("create temporary table mine (id int)"),
      query("select pg_advisory_lock(1)"),
      parse("named", "select 1"),
      sync,
      query("begin"),
      query("insert into kept values (1)")
    )
    await hangUp(first.stream)
    const second = await begin(gate)
    await second.write(
      query("select count(*) from kept"),
      query("select current_setting('application_name') = 'first'"),
      query("select count(*) from pg_locks where locktype = 'advisory'"),
      query("select * from mine"),
      Buffer.concat([bind("named"), execute, sync])
    )
    assert.deepEqual(second.answers().filter((answer) => /^[DE]/.test(answer)), [
      "D 0",
      "D f",
      "D 0",
      "E 42P01",
      "E 26000"
    ])
    await hangUp(second.stream)
  })

  it("rolls back what a stream left in the middle of a pipeline, after an error without its Sync", async () => {
    const first = await begin(gate)
    await first.write(statement("begin"), parse("", "selec"), bind(""))
    await hangUp(first.stream)
    const second = await begin(gate)
    await second.write(query("select 'well'"))
    assert.deepEqual(second.take(), ["T", "D well", "C SELECT 1", "Z I"])
    await hangUp(second.stream)
  })

  it("commits nothing of a statement whose Sync never came", async () => {
    const first = await begin(gate)
    await first.write(query("create table unfinished (id int)"))
    await first.write(parse("", "insert into unfinished values (1)"), bind(""), execute)
    await hangUp(first.stream)
    const second = await begin(gate)
    await second.write(query("select count(*) from unfinished"))
    assert.include(second.take(), "D 0")
    await hangUp(second.stream)
  })

  it("lets a second stream in when the first is gone, not between two statements of its transaction", async () => {
    const first = await begin(gate)
    const second = connect(gate)
    await first.write(query("begin"))
    const secondAnswered = second.write(startup, query("select 'second'"))
    await first.write(query("select 'first'"))
    await first.write(query("commit"))
    assert.deepEqual(second.answers(), [])
    await first.write(terminate)
    await secondAnswered
    assert.include(second.answers(), "D second")
    await hangUp(second.stream)
  })

  it("gives up its turn when it is destroyed before it came", async () => {
    const first = await begin(gate)
    const second = connect(gate)
    const third = connect(gate)
    second.stream.write(startup)
    const thirdAnswered = third.write(startup, query("select 'third'"))
    await hangUp(second.stream)
    await hangUp(first.stream)
    await thirdAnswered
    assert.include(third.answers(), "D third")
    await hangUp(third.stream)
  })

  it("answers nothing after Terminate, and nothing to a CancelRequest while another stream is at work", async () => {
    const first = await begin(gate)
    const cancel = connect(gate)
    cancel.stream.write(cancelRequest)
    await cancel.ends
    assert.strictEqual(cancel.heard().length, 0)
    await first.write(Buffer.concat([query("select 'last'"), terminate, query("select 'never'")]))
    await first.ends
    await first.write(query("select 'never'"))
    assert.deepEqual(first.take(), ["T", "D last", "C SELECT 1", "Z I"])
  })

  it("hands the database on when a stream ends without Terminate", async () => {
    const first = await begin(gate)
    first.stream.end(query("begin"))
    await first.ends
    const second = await begin(gate)
    await second.write(query("select 'second'"))
    assert.include(second.take(), "D second")
    await hangUp(second.stream)
  })

  it("waits for a reader that is behind before it asks for more rows", async () => {
    const client = await begin(gate)
    client.stream.pause()
    const rows = query("select repeat('x', 1000) from generate_series(1, 1000)")
    let answeredBoth = false
    const both = client.write(rows, rows).then(() => {
      answeredBoth = true
    })
    while (client.stream.readableLength === 0) await new Promise((done) => setImmediate(done))
    for (let tick = 0; tick < 20; tick++) await new Promise((done) => setImmediate(done))
    assert.isFalse(answeredBoth)
    assert.isAtMost(client.stream.readableLength, 1_100_000)
    client.stream.resume()
    await both
    assert.strictEqual(client.take().filter((answer) => answer.startsWith("D")).length, 2000)
    await hangUp(client.stream)
  })

  for (
    const [name, bytes] of [
      ["a startup message without a length", int32(0)],
      ["a message of no known type", Buffer.concat([startup, message("@", text("what"))])],
      ["a message with a length that cannot be", Buffer.concat([startup, Buffer.from("Q"), int32(-1)])]
    ] as const
  ) {
    it(`fails on ${name}, and lets the next stream in`, async () => {
      const broken = connect(gate)
      const failed = heardOf(broken.stream, "close")
      broken.stream.write(bytes)
      await failed
      assert.instanceOf(broken.stream.errored, Error)
      const next = await begin(gate)
      await next.write(query("select 'next'"))
      assert.include(next.take(), "D next")
      await hangUp(next.stream)
    })
  }

  it("hears in each session what is committed on its channels", async () => {
    const attentive = new PgliteGate(db, ["here"])
    const heard: Array<string> = []
    const leave = attentive.attend("here", (payload) => heard.push(payload))
    attentive.attend("elsewhere", (payload) => heard.push(payload))
    const first = await begin(attentive)
    await first.write(statement("notify here, 'one'"), statement("notify elsewhere, 'nothing'"))
    await first.write(statement("begin"), statement("notify here, 'rolled back'"), statement("rollback"))
    await first.write(query("begin; notify here, 'two'; notify here, 'three'; commit"))
    await first.write(statement("begin"), statement("notify here, 'cut off'"))
    await hangUp(first.stream)
    const second = await begin(attentive)
    await second.write(statement("notify here, 'four'"))
    leave()
    await second.write(statement("notify here, 'nothing'"))
    assert.deepStrictEqual(heard, ["one", "two", "three", "four"])
    await hangUp(second.stream)
  })
})

describe("PgliteStream, over a PGlite that has failed", () => {
  for (
    const [how, exit] of [
      ["by throwing", () => Promise.reject({ name: "ExitStatus", status: 1 })],
      ["in silence", () => Promise.resolve()]
    ] as const
  ) {
    it(`fails itself and every stream after it, at once, when it failed ${how}`, async () => {
      const db = await PGlite.create()
      let asked = 0
      const exits = new Proxy(db, {
        get: (target, key) =>
          key === "execProtocolRawStream"
            ? (...[bytes, options]: Parameters<PGlite["execProtocolRawStream"]>) => {
              asked++
              return bytes[0] === 0 ? target.execProtocolRawStream(bytes, options) : exit()
            }
            : Reflect.get(target, key, target) instanceof Function
            ? Reflect.get(target, key, target).bind(target)
            : Reflect.get(target, key, target)
      })
      const gate = new PgliteGate(exits)
      const first = await begin(gate)
      const second = connect(gate)
      const secondClosed = heardOf(second.stream, "close")
      second.stream.write(startup)
      const firstClosed = heardOf(first.stream, "close")
      first.stream.write(query("select 1"))
      await Promise.all([firstClosed, secondClosed])
      assert.strictEqual(first.stream.errored?.message, "The embedded database has failed")
      assert.strictEqual(second.stream.errored?.message, "The embedded database has failed")
      assert.strictEqual(asked, 2)
      await db.close()
    }, 60_000)
  }
})
