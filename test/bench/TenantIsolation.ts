// What a flood of logins at one tenant does to the logins of another: latencies side by side in one run, of a service in
// a process of its own, with password hashing as it is shipped. The attackers come from ever new addresses, so that the
// limits of an address do not end the flood. On TEST_DATABASE_URL, or on the embedded database without it.
import { call, makeTenant, type Target, type Tenant } from "../e2e/support/Client.ts"
import { adminKey, runtime, start, tempDir } from "../e2e/support/Process.ts"

const rounds = 5
const loginsPerRound = 20
const attackers = 48

const password = "correct horse battery"

let address = 0

const login = (target: Target, tenant: Tenant, password: string) =>
  fetch(`${target.url}/api/auth/token`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-forwarded-for": `10.${address >> 16 & 255}.${address >> 8 & 255}.${address++ & 255}`
    },
    body: JSON.stringify({ app_id: tenant.app_id, username: "ada", password })
  }).then(async (answer) => {
    await answer.arrayBuffer()
    return answer.status
  })

/** Logins one after the other: their times in milliseconds, and how many were refused. */
const measure = async (target: Target, tenant: Tenant) => {
  const times: Array<number> = []
  let refused = 0
  for (let n = 0; n < loginsPerRound; n++) {
    const begun = performance.now()
    if ((await login(target, tenant, password)) === 200) times.push(performance.now() - begun)
    else refused++
  }
  return { times, refused }
}

const during = async <A>(target: Target, attacked: Tenant, work: () => Promise<A>): Promise<A> => {
  let done = false
  const flood = Array.from({ length: attackers }, async () => {
    while (!done) await login(target, attacked, "a wrong password")
  })
  const result = await work()
  done = true
  await Promise.all(flood)
  return result
}

const percentile = (times: ReadonlyArray<number>, share: number) => {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

using dir = tempDir()
const database = process.env["TEST_DATABASE_URL"] || undefined
await using service = await start({
  DATA_DIR: dir.path,
  ROOMKEY_ADMIN_KEY: adminKey,
  ARGON2_MEMORY_KIB: "19456",
  ARGON2_ITERATIONS: "2",
  TRUST_PROXY: "1",
  ...(database === undefined ? {} : { DATABASE_URL: database })
})
const [bystander, other] = [await makeTenant(service), await makeTenant(service)]
for (const { api_key } of [bystander, other]) {
  await call(service, "POST", "/api/tenant/users", { bearer: api_key, json: { username: "ada", password } })
}

const cases = {
  "nobody is attacked": () => measure(service, bystander),
  "another tenant is attacked": () => during(service, other, () => measure(service, bystander)),
  "the tenant itself is attacked": () => during(service, bystander, () => measure(service, bystander))
}
const results = Object.keys(cases).map((name) => ({ name, times: [] as Array<number>, refused: 0 }))
for (let round = 0; round < rounds; round++) {
  for (const [n, run] of Object.values(cases).entries()) {
    const { refused, times } = await run()
    results[n]!.times.push(...times)
    results[n]!.refused += refused
  }
}

const quiet = percentile(results[0]!.times, 0.5)
console.log(`logins of a tenant on ${runtime}, ${database === undefined ? "embedded" : "PostgreSQL"}, while …`)
console.table(results.map(({ name, refused, times }) => ({
  while: name,
  "p50 ms": Number(percentile(times, 0.5).toFixed(1)),
  "p99 ms": Number(percentile(times, 0.99).toFixed(1)),
  "p50 to quiet": Number((percentile(times, 0.5) / quiet).toFixed(2)),
  refused: `${refused} of ${rounds * loginsPerRound}`
})))
