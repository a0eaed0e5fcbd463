// The client for apps: plain promises, no dependency, the same files in a browser, in Node and in Deno.
export { type Auth, type AuthOptions, createAuth, type Session, type SessionListener, type Tokens } from "./Auth.ts"
export { type AfterClose, afterClose } from "./Backoff.ts"
export { RoomkeyError } from "./Errors.ts"
export type { Clock, Fetch, Locks, Socket, SocketConstructor } from "./Platform.ts"
export {
  type Candidate,
  createRealtime,
  type IceServer,
  type Realtime,
  type RealtimeEvents,
  type RealtimeOptions,
  type RealtimeState,
  type ReceivedCandidate
} from "./Realtime.ts"
export { memoryStorage, type TokenStorage } from "./TokenStorage.ts"
