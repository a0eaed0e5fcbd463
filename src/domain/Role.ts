// What a member of a channel may do, and which role it gets: decided here, whatever a client asks for.
import { Schema } from "effect"

/** `host` runs the channel, `speaker` speaks, `guest` speaks where everyone may, `listener` only hears. */
export const Role = Schema.Literals(["host", "speaker", "listener", "guest"])
export type Role = typeof Role.Type

/** What a channel may give to who was given no role. */
export const DefaultRole = Schema.Literals(["speaker", "listener", "guest"])
export type DefaultRole = typeof DefaultRole.Type

/** Who may speak besides hosts and speakers: guests too, or nobody. */
export const WhoMaySpeak = Schema.Literals(["everyone", "speakers"])
export type WhoMaySpeak = typeof WhoMaySpeak.Type

const rank: Record<Role, number> = { listener: 0, guest: 1, speaker: 2, host: 3 }

export const maySpeak = (role: Role, whoMaySpeak: WhoMaySpeak): boolean =>
  role === "host" || role === "speaker" || (role === "guest" && whoMaySpeak === "everyone")

/** What decides a user's role in a channel. */
export interface Claim {
  /** The role that the user was given there, by a host or by the tenant. */
  readonly standing: Role | null
  readonly isCreator: boolean
  readonly defaultRole: DefaultRole
  readonly whoMaySpeak: WhoMaySpeak
}

/** The role of who asks for none. */
export const ownRole = ({ defaultRole, isCreator, standing }: Claim): Role =>
  standing ?? (isCreator ? "host" : defaultRole)

/** The most that a user may ask for. Where everyone may speak, a guest is as good as a speaker. */
const ceiling = (claim: Claim): Role => {
  const own = ownRole(claim)
  return claim.standing === null && own === "guest" && claim.whoMaySpeak === "everyone" ? "speaker" : own
}

/** The role for who asks for `requested`: that, or, where it is too much, the most that there is. */
export const grantRole = (claim: Claim, requested: Role | undefined): Role => {
  if (requested === undefined) return ownRole(claim)
  const most = ceiling(claim)
  return rank[requested] <= rank[most] ? requested : most
}
