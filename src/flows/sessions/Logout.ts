import { Effect } from "effect"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { EventBus } from "../../services/EventBus.ts"
import type { TokenStore } from "../../services/TokenStore.ts"
import { endSession } from "./EndSession.ts"

/** Ends the caller's own session. Its tokens and sockets are dead when this returns. */
export const logout = Effect.fn("logout")((
  principal: SessionPrincipal
): Effect.Effect<void, StoreUnavailable, TokenStore | EventBus> => endSession(principal.sessionId, "logout"))
