// The commonest passwords, from a list that ships with its package: nothing is asked over the network. It is unpacked
// when a password is first chosen, so that no start waits for it: some 50 ms, once.
import { Layer } from "effect"
import { createRequire } from "node:module"
import { CommonPasswords } from "../services/CommonPasswords.ts"

const unpack = (): ReadonlySet<string> => {
  const { dictionary }: typeof import("@zxcvbn-ts/language-common") = createRequire(import.meta.url)(
    "@zxcvbn-ts/language-common"
  )
  return new Set(dictionary["passwords-common"].map((password) => password.toLowerCase()))
}

export const layer: Layer.Layer<CommonPasswords> = Layer.sync(CommonPasswords, () => {
  let list: ReadonlySet<string> | undefined
  return CommonPasswords.of({ has: (lower) => (list ??= unpack()).has(lower) })
})
