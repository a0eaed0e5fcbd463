// What this instance is called among those that share a database: another name at each start.
import { Context, Effect, Layer } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"

export class NodeId extends Context.Service<NodeId, string>()("roomkey/postgres/NodeId") {
  static readonly layer = Layer.effect(
    NodeId,
    Effect.flatMap(SecureRandom.SecureRandom, (random) => random.uuidV4())
  ).pipe(Layer.provide(SecureRandom.layerWebCrypto))
}
