import { Context, type Effect } from "effect"
import type {
  Admission,
  Channel,
  ChannelName,
  ChannelNotFound,
  ChannelRecord,
  ChannelSettings,
  NotAllowed,
  Standing,
  StandingChange
} from "../domain/Channel.ts"
import type { ChannelId, SessionId, TenantId, UserId } from "../domain/Ids.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import type { UserNotFound } from "../domain/User.ts"
import type { Page } from "./UserRepository.ts"

/** A user of the tenant by one of its sessions. */
export interface Candidate {
  readonly userId: UserId
  readonly sessionId: SessionId
}

export interface ChannelChange extends Partial<ChannelSettings> {
  readonly name?: ChannelName | undefined
}

/** A tenant's channels, and what was decided about users in them. A decision is told to every instance. */
export class ChannelRepository extends Context.Service<ChannelRepository, {
  readonly list: (tenantId: TenantId) => Effect.Effect<ReadonlyArray<Channel>, StoreUnavailable>
  readonly page: (
    tenantId: TenantId,
    options: { readonly after: number; readonly limit: number }
  ) => Effect.Effect<Page<ChannelRecord>, StoreUnavailable>
  readonly create: (
    tenantId: TenantId,
    name: ChannelName,
    createdBy: UserId | null,
    settings?: Partial<ChannelSettings>
  ) => Effect.Effect<ChannelRecord, StoreUnavailable>
  readonly change: (
    tenantId: TenantId,
    channelId: ChannelId,
    change: ChannelChange
  ) => Effect.Effect<ChannelRecord, ChannelNotFound | StoreUnavailable>
  /** `by`: the user who asks, and must be a host that nobody has removed; `null`: the tenant. */
  readonly remove: (
    tenantId: TenantId,
    channelId: ChannelId,
    by: UserId | null
  ) => Effect.Effect<void, ChannelNotFound | NotAllowed | StoreUnavailable>
  /** In the order of the candidates. */
  readonly admissions: (
    tenantId: TenantId,
    channelId: ChannelId,
    candidates: ReadonlyArray<Candidate>
  ) => Effect.Effect<ReadonlyArray<Admission>, ChannelNotFound | StoreUnavailable>
  readonly standing: (
    tenantId: TenantId,
    channelId: ChannelId,
    userId: UserId
  ) => Effect.Effect<Standing, ChannelNotFound | UserNotFound | StoreUnavailable>
  /**
   * `by` as with `remove`; what a host may do to whom is decided in the statement that does it. Answers the standing, and
   * whether it is another than before.
   */
  readonly changeStanding: (
    tenantId: TenantId,
    channelId: ChannelId,
    userId: UserId,
    change: StandingChange,
    by: UserId | null
  ) => Effect.Effect<
    { readonly standing: Standing; readonly isNew: boolean },
    ChannelNotFound | UserNotFound | NotAllowed | StoreUnavailable
  >
}>()("roomkey/services/ChannelRepository") {}
