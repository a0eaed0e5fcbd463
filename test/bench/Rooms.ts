// What voice rooms cost: how long a signal takes in one instance and across two, what a full channel and idle sockets take,
// and what a member that does not read does to the others. Each service is a process of its own; a real PostgreSQL
// (TEST_DATABASE_URL) is needed for two of them.
import { readFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { call, makeTenant, signIn, type Target, type Tenant } from "../e2e/support/Client.ts"
import { Member } from "../e2e/support/Member.ts"
import { freshDatabase } from "../e2e/support/Postgres.ts"
import { adminKey, type Service, start } from "../e2e/support/Process.ts"

const pairs = 10
const signals = 200
const signalEvery = 50
const crowd = 1000
const idle = 5000
const perUser = 20

interface Cost {
  /** Milliseconds of processor time since its start. */
  readonly cpu: number
  readonly rssKb: number
}

const costOf = (service: Service): Cost => {
  const stat = readFileSync(`/proc/${service.pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  const status = readFileSync(`/proc/${service.pid}/status`, "utf8")
  return { cpu: (Number(stat[11]) + Number(stat[12])) * 10, rssKb: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) }
}

const share = (times: ReadonlyArray<number>, part: number) =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))]!

const shown = (times: ReadonlyArray<number>) =>
  `p50 ${share(times, 0.5).toFixed(2)} ms, p99 ${share(times, 0.99).toFixed(2)} ms, worst ${
    Math.max(...times).toFixed(1)
  } ms`

const makeChannel = async (target: Target, { api_key }: Tenant): Promise<number> => {
  const { token } = await signIn(target, api_key, "host")
  return (await call(target, "POST", "/api/channels", { bearer: token, json: { name: "Bench" } })).body.id
}

/** So many sockets, as few sign-ins as the limit of sockets a user lets. */
const connect = async (target: Target, { api_key }: Tenant, count: number, name: string): Promise<Array<Member>> => {
  const members: Array<Member> = []
  for (let user = 0; members.length < count; user++) {
    const { token } = await signIn(target, api_key, `${name} ${user}`)
    members.push(
      ...await Promise.all(
        Array.from({ length: Math.min(perUser, count - members.length) }, () => Member.open(target, token))
      )
    )
  }
  return members
}

const closeAll = (members: ReadonlyArray<Member>) => Promise.all(members.map((member) => member.close()))

/** An ICE candidate of a kilobyte from each sender to its receiver, again and again. */
const relay = async (from: Target, to: Target, tenant: Tenant, services: ReadonlyArray<Service>) => {
  const channelId = await makeChannel(from, tenant)
  const senders = await connect(from, tenant, pairs, "sender")
  const receivers = await connect(to, tenant, pairs, "receiver")
  for (const member of [...senders, ...receivers]) await member.join(channelId)
  await setTimeout(500)
  for (const member of [...senders, ...receivers]) member.heard()
  const before = services.map(costOf)
  const times: Array<number> = []
  await Promise.all(senders.map(async (sender, n) => {
    const receiver = receivers[n]!
    for (let signal = 0; signal < signals; signal++) {
      const candidate = `candidate:${signal} `.padEnd(1024, "x")
      const sent = performance.now()
      sender.send("ice_candidate", { to: receiver.id, candidate })
      times.push((await receiver.hear(({ type }) => type === "ice_candidate")).at - sent)
      await setTimeout(signalEvery * Math.random() * 2)
    }
  }))
  const cpu = services.reduce((sum, service, n) => sum + costOf(service).cpu - before[n]!.cpu, 0)
  await closeAll([...senders, ...receivers])
  return `${shown(times)}; ${(cpu / times.length).toFixed(2)} ms of processor a signal`
}

const fullChannel = async (service: Service, tenant: Tenant) => {
  const channelId = await makeChannel(service, tenant)
  const members = await connect(service, tenant, crowd, "crowd")
  await setTimeout(2000)
  const connected = costOf(service)
  const began = performance.now()
  for (const member of members) await member.join(channelId)
  const took = (performance.now() - began) / 1000
  await setTimeout(2000)
  const joined = costOf(service)
  for (const member of members) member.heard()
  const times: Array<number> = []
  for (let round = 0; round < 20; round++) {
    const sent = performance.now()
    members[0]!.send("mute", { muted: round % 2 === 0 })
    const heard = await Promise.all(
      members.slice(1).map((member) => member.hear(({ type }) => type === "user_updated"))
    )
    for (const { at } of heard) times.push(at - sent)
    // Longer than the changes of one member are gathered in a channel of this size.
    await setTimeout(700)
  }
  const told = costOf(service)
  await closeAll(members)
  return [
    `${crowd} joins in ${took.toFixed(1)} s (${(crowd / took).toFixed(0)}/s, each told to everybody), ` +
    `${((joined.cpu - connected.cpu) / crowd).toFixed(1)} ms of processor each`,
    `${((joined.rssKb - connected.rssKb) / crowd).toFixed(1)} kB of RSS a member beside its socket`,
    `a change told to ${crowd - 1}: ${shown(times)}; ${((told.cpu - joined.cpu) / 20).toFixed(1)} ms of processor`
  ]
}

/** Long offers to somebody who does not read, and what a third member notices of it. */
const slowConsumer = async (service: Service, tenant: Tenant) => {
  const channelId = await makeChannel(service, tenant)
  const [silent, witness, ...senders] = await connect(service, tenant, 12, "slow") as [Member, Member, ...Array<Member>]
  for (const member of [silent, witness, ...senders]) await member.join(channelId)
  const before = costOf(service)
  silent.pause()
  const sdp = "v=0\r\n".padEnd(59_000, "x")
  const times: Array<number> = []
  let offers = 0
  let highest = before.rssKb
  for (let gone = false; !gone && offers < 1000;) {
    // In turn: an offer this long counts as fifteen frames.
    const sender = senders[offers++ % senders.length]!
    sender.send("webrtc_offer", { to: silent.id, sdp })
    const sent = performance.now()
    sender.send("ice_candidate", { to: witness.id, candidate: `candidate:${offers}` })
    times.push((await witness.hear(({ type }) => type === "ice_candidate")).at - sent)
    highest = Math.max(highest, costOf(service).rssKb)
    await setTimeout(45)
    gone = witness.heard().some(({ type }) => type === "user_left")
  }
  silent.resume()
  const { code } = await silent.hear(({ type }) => type === "close")
  await closeAll([witness, ...senders])
  return `closed by ${code} after ${offers} unread offers of 59 kB, ${
    ((highest - before.rssKb) / 1024).toFixed(1)
  } MB of RSS ` +
    `at most; signals to a third meanwhile: ${shown(times)}`
}

const idleSockets = async (service: Service, tenant: Tenant) => {
  const before = costOf(service)
  const members = await connect(service, tenant, idle, "idle")
  await setTimeout(3000)
  const open = costOf(service)
  await setTimeout(30_000)
  const later = costOf(service)
  await closeAll(members)
  return `${((open.rssKb - before.rssKb) / idle).toFixed(1)} kB of RSS a socket, ` +
    `${((later.cpu - open.cpu) / 300).toFixed(1)} % of a processor for ${idle} of them`
}

await using database = await freshDatabase()
const env = { DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey }
await using left = await start(env)
await using right = await start(env)
const tenant = await makeTenant(left)
console.log(`relay, one instance: ${await relay(left, left, tenant, [left])}`)
console.log(`relay, two instances: ${await relay(left, right, tenant, [left, right])}`)
for (const line of await fullChannel(left, tenant)) console.log(line)
console.log(`a member that does not read: ${await slowConsumer(left, tenant)}`)
console.log(`idle sockets: ${await idleSockets(right, tenant)}`)
