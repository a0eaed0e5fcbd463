// The rule that a new password breaks, as a field error.
import { InvalidRequest } from "../api/Problems.ts"
import type { WeakPassword } from "../domain/Password.ts"

/** `path` is the field that the password came in. */
export const weakPassword = (path: string) => (weak: WeakPassword): InvalidRequest => {
  const messages: Record<WeakPassword["reason"], string> = {
    too_short: `Expected at least ${weak.minLength} characters`,
    too_common: "Expected a password that is not among the commonest",
    is_username: "Expected a password that is not the username"
  }
  return new InvalidRequest({
    detail: "The password is too weak",
    errors: [{ path, message: messages[weak.reason] }]
  })
}
