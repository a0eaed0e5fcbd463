// An `RTCIceServer`, as a browser's `RTCPeerConnection` takes it.
import { Schema } from "effect"

export const IceServer = Schema.Struct({
  urls: Schema.Array(Schema.String),
  username: Schema.optionalKey(Schema.String),
  credential: Schema.optionalKey(Schema.String)
})
export type IceServer = typeof IceServer.Type
