// The SQL of allowances: parts of statements that take what a call costs, or give it back, beside whatever else they do.
// Every statement locks the rows of its claims in their order.
import { Schema } from "effect"

/** A claim among the others, and the parameters that hold its key, its limit and the seconds in which one comes back. */
interface Place {
  readonly index: number
  readonly key: string
  readonly limit: string
  readonly seconds: string
}

/** The parameters of so many claims, three of each, after `before` others. */
const places = (claims: number, before: number): ReadonlyArray<Place> =>
  Array.from({ length: claims }, (_, index) => {
    const first = before + index * 3 + 1
    return { index, key: `$${first}`, limit: `$${first + 1}`, seconds: `$${first + 2}` }
  })

/** A statement by how many claims it is for. */
export const forClaims = (statement: (claims: number) => string): (claims: number) => string => {
  const known = new Map<number, string>()
  return (claims) => {
    const text = known.get(claims) ?? statement(claims)
    known.set(claims, text)
    return text
  }
}

/**
 * `claim_0` and those after it, each made when the one before it was granted. Beyond the limit neither the count nor the
 * window grows: who waits is let in again.
 */
export const taking = (claims: number, before: number): string =>
  places(claims, before).map(({ index, key, limit, seconds }) =>
    `claim_${index} as (
  insert into rate_limits as r (key, count, expires_at)
  select ${key}::text, 1, now() + make_interval(secs => ${seconds}::float8)
  ${index === 0 ? "" : `from claim_${index - 1} where not refused`}
  on conflict (key) do update set
    count = case when r.expires_at <= now() then 1 else least(r.count + 1, ${limit}::bigint + 1) end,
    expires_at = case
      when r.expires_at <= now() then excluded.expires_at
      when r.count + 1 > ${limit} then r.expires_at
      else r.expires_at + make_interval(secs => ${seconds})
    end
  returning count > ${limit} as refused, expires_at
)`
  ).join(", ")

/** The claim of `taking` that was refused, if one was. */
export const refusal = (claims: number): string =>
  places(claims, 0).map(({ index }) =>
    `select ${index} as refused, greatest(extract(epoch from expires_at - now()) * 1000, 0)::float8 as millis
from claim_${index} where refused`
  ).join("\nunion all ")

/** `refused` is the index of a claim that has none left, and `millis` the time until it has; without one, null. */
export const Refusal = Schema.Struct({ refused: Schema.NullOr(Schema.Finite), millis: Schema.NullOr(Schema.Finite) })
export type Refusal = typeof Refusal.Type

/**
 * `claim_0` and those after it, once everything that `first` names has been done. Moves the end of the window back too; a
 * window that is over stays over. One that comes back after a refusal is there for the next.
 */
export const givingBack = (claims: number, before: number, first?: string): string =>
  places(claims, before).map(({ index, key, limit, seconds }) => {
    const last = index === 0 ? first : `claim_${index - 1}`
    return `claim_${index} as (
  update rate_limits set
    count = least(count, ${limit}::bigint) - 1, expires_at = expires_at - make_interval(secs => ${seconds}::float8)
  where key = ${key}::text
  ${last === undefined ? "" : `and (select count(*) from ${last}) is not null`}
  returning 1
)`
  }).join(", ")

export const takeStatement = forClaims((claims) => `with ${taking(claims, 0)}\n${refusal(claims)}`)

export const giveBackStatement = forClaims((claims) => `with ${givingBack(claims, 0)}\nselect`)

export const sweepBatch = 1000

export const sweepStatement = `
delete from rate_limits where key in (
  select key from rate_limits where expires_at <= now() limit ${sweepBatch} for update skip locked
)
returning 1 as gone`
