// Names that look alike. Two spellings of one name, by Unicode's canonical equivalence, are one user, however many calls
// make it at once; names that are merely similar are different users, and none of them gets at another's account
// (Spotify's "creative usernames", 2013).
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

/** Spellings of one name each. */
const equal: ReadonlyArray<readonly [name: string, ...spellings: ReadonlyArray<string>]> = [
  ["an accent composed and decomposed", "Zo\u00eb", "Zoe\u0308"],
  ["two accents in either order", "a\u0323\u0307", "a\u0307\u0323", "\u1ea1\u0307", "\u0227\u0323"],
  ["the sign for Kelvin and the letter", "\u212a", "K"],
  ["the sign for \u00c5ngstr\u00f6m and the letter", "\u212b", "\u00c5", "A\u030a"],
  ["Hangul in syllables and in letters", "\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"],
  ["a letter that NFC takes apart", "\u0958", "\u0915\u093c"]
]

/** Names that a person might take for one another. */
const similar: ReadonlyArray<readonly [name: string, ...names: ReadonlyArray<string>]> = [
  ["case", "admin", "Admin", "ADMIN"],
  ["Turkish i", "istanbul", "\u0130stanbul", "\u0131stanbul", "Istanbul"],
  ["sharp s", "stra\u00dfe", "strasse", "STRASSE", "stra\u1e9ee"],
  ["width", "admin", "\uff41\uff44\uff4d\uff49\uff4e"],
  ["compatibility", "fi", "\ufb01", "\u00b2", "2", "\u2460", "1"],
  ["zero width", "admin", "ad\u200bmin", "ad\u200cmin", "ad\u200dmin", "ad\u2060min", "ad\ufeffmin", "ad\u00admin"],
  ["another alphabet", "admin", "\u0430dmin", "adm\u0456n"],
  ["accents", "admin", "\u00e1dmin", "admi\u0144"],
  ["spaces within", "a b", "a  b", "a\u00a0b", "a\u3000b", "ab"],
  ["emoji and their variations", "\u2764", "\u2764\ufe0f", "\u{1f469}\u200d\u{1f680}", "\u{1f469}\u{1f680}"],
  ["what SQL takes for a pattern", "a_b", "a%b", "axb"],
  ["quotes and comments", "o'brien", "o''brien", "o\\'brien", "o'brien--"]
]

/** Names that nobody may have. */
const refused: ReadonlyArray<readonly [name: string, username: string]> = [
  ["text turned around", "a\u202enimda"],
  ["an isolate that is not closed", "a\u2066dmin"],
  ["a mark of direction", "admin\u200f"],
  ["a line break", "ad\nmin"],
  ["a line break of C1", "ad\u0085min"],
  ["NUL", "admin\u0000"],
  ["DEL", "admin\u007f"],
  ["half a character", "admin\ud83d"],
  ["white space at the end", "admin\u2003"],
  ["a byte order mark at the start", "\ufeffadmin"],
  ["a line separator at the end", "admin\u2028"],
  ["nothing but white space", "\u3000"],
  ["129 characters once NFC took them apart", "\u0958".repeat(65)]
]

layer(Server.layer(), Wire.options)("UnicodeUsernames", (it) => {
  for (const [name, ...spellings] of equal) {
    it.effect(`makes one user of ${name}, twenty calls at once`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const signedIn = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => spellings[index % spellings.length]!),
          (username) => Wire.signIn(tenant, username),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(signedIn.map(({ user }) => user.id)).size, 1)
        for (const { user } of signedIn) assert.strictEqual(user.username, spellings[0]!.normalize("NFC"))
        for (const username of spellings) {
          Wire.isProblem(
            yield* call("POST", "/api/tenant/users", { bearer: tenant.api_key, json: { username } }),
            409,
            "username_taken"
          )
        }
      }))

    it.effect(`logs in by either spelling of ${name}`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const { id } = yield* Wire.createUser(tenant, spellings[0])
        for (const username of spellings) {
          const answer = yield* Wire.login(tenant.app_id, username, Wire.password)
          assert.deepEqual([answer.status, answer.body.user?.id], [200, id], JSON.stringify(username))
        }
      }))
  }

  for (const [name, ...names] of similar) {
    it.effect(`keeps users apart that differ by ${name} alone`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const distinct = [...new Set(names)]
        const signedIn = yield* Effect.forEach(distinct, (username) => Wire.signIn(tenant, username), {
          concurrency: "unbounded"
        })
        assert.strictEqual(new Set(signedIn.map(({ user }) => user.id)).size, distinct.length)
        assert.deepEqual(signedIn.map(({ user }) => user.username), distinct)
        assert.strictEqual((yield* Wire.setPassword(tenant, signedIn[0]!.user.id, Wire.password)).status, 204)
        for (const [index, username] of distinct.entries()) {
          const answer = yield* Wire.login(tenant.app_id, username, Wire.password)
          assert.strictEqual(answer.status, index === 0 ? 200 : 401, JSON.stringify(username))
        }
      }))
  }

  for (const [name, username] of refused) {
    it.effect(`refuses ${name} in a username, at every door`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const answers = [
          yield* Server.autoAuth(tenant.api_key, { username }),
          yield* call("POST", "/api/tenant/users", { bearer: tenant.api_key, json: { username } }),
          yield* Wire.login(tenant.app_id, username, Wire.password)
        ]
        for (const answer of answers) {
          Wire.isProblem(answer, 400, "invalid_request")
          assert.deepEqual(answer.body.errors.map(({ path }: { path: string }) => path), ["username"])
        }
      }))
  }

  it.effect("takes passwords composed and decomposed for one, and similar ones for different", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { user } = yield* Wire.signIn(tenant)
      yield* Wire.setPassword(tenant, user.id, "p\u00e4ssw\u00f6rter")
      assert.strictEqual((yield* Wire.login(tenant.app_id, "ada", "pa\u0308sswo\u0308rter")).status, 200)
      for (
        const wrong of ["passworter", "P\u00e4ssw\u00f6rter", "p\u00e4ssw\u00f6rter\u200b", " p\u00e4ssw\u00f6rter"]
      ) {
        Wire.isProblem(yield* Wire.login(tenant.app_id, "ada", wrong), 401, "invalid_credentials")
      }
    }))

  it.effect("compares a custom_id byte for byte", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const signIn = (username: string, custom_id: string) =>
        call("POST", "/api/auth/auto", { bearer: tenant.api_key, json: { username, custom_id } })
      assert.strictEqual((yield* signIn("one", "Zo\u00eb")).status, 200)
      assert.strictEqual((yield* signIn("two", "Zoe\u0308")).status, 200)
      assert.strictEqual((yield* signIn("three", "zo\u00eb")).status, 200)
      Wire.isProblem(yield* signIn("four", "Zo\u00eb"), 409, "custom_id_taken")
    }))
})
