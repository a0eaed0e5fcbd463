// The commonest passwords, from a list that ships with its package: nothing is asked over the network.
import { dictionary } from "@zxcvbn-ts/language-common"
import { Layer } from "effect"
import { CommonPasswords } from "../services/CommonPasswords.ts"

export const layer: Layer.Layer<CommonPasswords> = Layer.sync(CommonPasswords, () => {
  const list = new Set(dictionary["passwords-common"].map((password) => password.toLowerCase()))
  return CommonPasswords.of({ has: (lower) => list.has(lower) })
})
