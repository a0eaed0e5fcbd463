// Signs in, enters the first channel and tells who is there, until the session is over.
import { createAuth, createRealtime, RoomkeyError } from "../../src/client/index.ts"

export const visit = async (baseUrl: string, appId: string, say: (line: string) => void) => {
  const auth = createAuth({ baseUrl, appId })
  try {
    await auth.login("ada", "correct horse battery")
  } catch (error) {
    if (error instanceof RoomkeyError && error.code === "invalid_credentials") return say("Wrong name or password")
    throw error
  }

  const realtime = createRealtime(auth)
  realtime.on("joined", ({ users }) => say(`Here: ${users.map(({ username }) => username).join(", ")}`))
  realtime.on("user_joined", ({ username }) => say(`${username} came`))
  realtime.on("closed", ({ reconnects }) => say(reconnects ? "Back in a moment" : "That was it"))
  realtime.on("signed_out", ({ code }) => say(`Signed out: ${code}`))

  await realtime.connect()
  const [channel] = await auth.call<Array<{ id: number }>>("GET", "/api/channels")
  if (channel !== undefined) await realtime.join(channel.id)
  return auth
}
