/// <reference lib="dom" />
// A name is an account whose password only this browser knows: made at random, and kept beside the session.
import { type Auth, RoomkeyError } from "../client/index.ts"

const has = (error: unknown, code: string): boolean => error instanceof RoomkeyError && error.code === code

const makePassword = (): string =>
  [...crypto.getRandomValues(new Uint8Array(24))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

/** Where the page may not store, a name is kept as long as the page. */
const kept = new Map<string, string>()

const recall = (key: string): string | null => {
  try {
    return kept.get(key) ?? localStorage.getItem(key)
  } catch {
    return null
  }
}

const keep = (key: string, password: string | null): void => {
  try {
    if (password === null) localStorage.removeItem(key)
    else localStorage.setItem(key, password)
  } catch {
    if (password !== null) kept.set(key, password)
  }
}

/** Signs in as `name`, whose account is made when there is none. Rejects with `username_taken` if it is another's. */
export const signInAs = async (auth: Auth, appId: string, name: string): Promise<void> => {
  const key = `roomkey.demo.password:${appId}:${name}`
  const known = recall(key)
  if (known !== null) {
    try {
      await auth.login(name, known)
      return
    } catch (error) {
      // The account is gone, and maybe the name is another's now.
      if (!has(error, "invalid_credentials")) throw error
    }
  }
  const password = known ?? makePassword()
  // Kept first: should the answer be lost, the account is this browser's all the same.
  keep(key, password)
  try {
    await auth.register(name, password)
  } catch (error) {
    if (has(error, "username_taken")) keep(key, null)
    throw error
  }
}
