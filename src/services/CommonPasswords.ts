import { Context } from "effect"

/** The passwords that attackers try first. */
export class CommonPasswords extends Context.Service<CommonPasswords, {
  /** Whether `lower`, a password in lower case, is one of them. */
  readonly has: (lower: string) => boolean
}>()("roomkey/services/CommonPasswords") {}
