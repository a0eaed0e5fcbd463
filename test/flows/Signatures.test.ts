// What each flow may fail with and needs, written down a second time: a new error or service in a flow's signature is
// a change to everybody who calls it, and breaks the type check here.
import { it } from "@effect/vitest"
import type { Effect } from "effect"
import { expectTypeOf } from "vitest"
import type {
  ApiKeyNotFound,
  InvalidAdminKey,
  InvalidApiKey,
  LastApiKey,
  TooManyApiKeys
} from "../../src/domain/ApiKey.ts"
import type { ChannelNotFound, NotAllowed, RemovedFromChannel } from "../../src/domain/Channel.ts"
import type { InvalidCredentials, WeakPassword } from "../../src/domain/Password.ts"
import type { RateLimited } from "../../src/domain/RateLimit.ts"
import type { InvalidRefreshToken, RefreshTokenReused } from "../../src/domain/RefreshToken.ts"
import type { InvalidToken, SessionNotFound, TokenExpired } from "../../src/domain/Session.ts"
import type { RegistrationDisabled, TenantNotFound, TenantSuspended } from "../../src/domain/Tenant.ts"
import type { InvalidTicket } from "../../src/domain/Ticket.ts"
import type { HasherBusy, StoreUnavailable } from "../../src/domain/Unavailable.ts"
import type {
  CustomIdImmutable,
  CustomIdTaken,
  UserBanned,
  UsernameTaken,
  UserNotFound
} from "../../src/domain/User.ts"
import type { changeChannel } from "../../src/flows/channels/ChangeChannel.ts"
import type { changeStanding } from "../../src/flows/channels/ChangeStanding.ts"
import type { createChannel } from "../../src/flows/channels/CreateChannel.ts"
import type { deleteChannel } from "../../src/flows/channels/DeleteChannel.ts"
import type { joinChannel } from "../../src/flows/channels/JoinChannel.ts"
import type { reviewMembers } from "../../src/flows/channels/ReviewMembers.ts"
import type { authenticate } from "../../src/flows/sessions/Authenticate.ts"
import type { autoAuth } from "../../src/flows/sessions/AutoAuth.ts"
import type { detectTokenReuse } from "../../src/flows/sessions/DetectTokenReuse.ts"
import type { endSession } from "../../src/flows/sessions/EndSession.ts"
import type { issueTicket } from "../../src/flows/sessions/IssueTicket.ts"
import type { logout } from "../../src/flows/sessions/Logout.ts"
import type { passwordAuth } from "../../src/flows/sessions/PasswordAuth.ts"
import type { redeemTicket } from "../../src/flows/sessions/RedeemTicket.ts"
import type { refreshSession } from "../../src/flows/sessions/RefreshSession.ts"
import type { register } from "../../src/flows/sessions/Register.ts"
import type { revokeSession, revokeSessions } from "../../src/flows/sessions/RevokeSessions.ts"
import type { changeTenant } from "../../src/flows/tenants/ChangeTenant.ts"
import type { deleteTenant } from "../../src/flows/tenants/DeleteTenant.ts"
import type { introspect } from "../../src/flows/tenants/Introspect.ts"
import type { issueApiKey } from "../../src/flows/tenants/IssueApiKey.ts"
import type { revokeApiKey } from "../../src/flows/tenants/RevokeApiKey.ts"
import type { verifyApiKey } from "../../src/flows/tenants/VerifyApiKey.ts"
import type { changeUser } from "../../src/flows/users/ChangeUser.ts"
import type { changePassword } from "../../src/flows/users/ChangePassword.ts"
import type { eraseUser } from "../../src/flows/users/EraseUser.ts"
import type { authenticateAdmin } from "../../src/flows/tenants/AuthenticateAdmin.ts"
import type { authenticateApiKey } from "../../src/flows/tenants/AuthenticateApiKey.ts"
import type { createTenant } from "../../src/flows/tenants/CreateTenant.ts"
import type { createUser } from "../../src/flows/users/CreateUser.ts"
import type { hashNewPassword } from "../../src/flows/users/HashNewPassword.ts"
import type { setPassword } from "../../src/flows/users/SetPassword.ts"
import type { AdminKey } from "../../src/services/AdminKey.ts"
import type { AuditLog } from "../../src/services/AuditLog.ts"
import type { ApiKeyRepository } from "../../src/services/ApiKeyRepository.ts"
import type { ChannelRepository } from "../../src/services/ChannelRepository.ts"
import type { CommonPasswords } from "../../src/services/CommonPasswords.ts"
import type { EventBus } from "../../src/services/EventBus.ts"
import type { PasswordHasher } from "../../src/services/PasswordHasher.ts"
import type { RateLimits } from "../../src/services/RateLimits.ts"
import type { RoomBus } from "../../src/services/RoomBus.ts"
import type { TenantRepository } from "../../src/services/TenantRepository.ts"
import type { TicketStore } from "../../src/services/TicketStore.ts"
import type { TokenCodec } from "../../src/services/TokenCodec.ts"
import type { TokenStore } from "../../src/services/TokenStore.ts"
import type { UserRepository } from "../../src/services/UserRepository.ts"

type Errors<F extends (...args: Array<never>) => Effect.Effect<unknown, unknown, unknown>> = Effect.Error<ReturnType<F>>
type Needs<F extends (...args: Array<never>) => Effect.Effect<unknown, unknown, unknown>> = Effect.Services<
  ReturnType<F>
>

it("names every error of every flow, and no other", () => {
  expectTypeOf<Errors<typeof autoAuth>>().toEqualTypeOf<
    InvalidApiKey | RateLimited | TenantSuspended | UserBanned | CustomIdTaken | CustomIdImmutable | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof passwordAuth>>().toEqualTypeOf<
    InvalidCredentials | RateLimited | TenantSuspended | UserBanned | HasherBusy | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof refreshSession>>().toEqualTypeOf<
    InvalidRefreshToken | RefreshTokenReused | RateLimited | UserBanned | TenantSuspended | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof detectTokenReuse>>().toEqualTypeOf<RefreshTokenReused | StoreUnavailable>()
  expectTypeOf<Errors<typeof authenticate>>().toEqualTypeOf<
    InvalidToken | TokenExpired | UserBanned | TenantSuspended | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof issueTicket>>().toEqualTypeOf<StoreUnavailable>()
  expectTypeOf<Errors<typeof redeemTicket>>().toEqualTypeOf<
    InvalidTicket | TokenExpired | UserBanned | TenantSuspended | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof logout>>().toEqualTypeOf<StoreUnavailable>()
  expectTypeOf<Errors<typeof endSession>>().toEqualTypeOf<StoreUnavailable>()
  expectTypeOf<Errors<typeof authenticateApiKey>>().toEqualTypeOf<InvalidApiKey | TenantSuspended | StoreUnavailable>()
  expectTypeOf<Errors<typeof authenticateAdmin>>().toEqualTypeOf<InvalidAdminKey>()
  expectTypeOf<Errors<typeof createTenant>>().toEqualTypeOf<StoreUnavailable>()
  expectTypeOf<Errors<typeof createUser>>().toEqualTypeOf<
    UsernameTaken | CustomIdTaken | WeakPassword | HasherBusy | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof hashNewPassword>>().toEqualTypeOf<WeakPassword | HasherBusy | StoreUnavailable>()
  expectTypeOf<Errors<typeof setPassword>>().toEqualTypeOf<
    UserNotFound | WeakPassword | HasherBusy | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof register>>().toEqualTypeOf<
    | RegistrationDisabled
    | RateLimited
    | TenantSuspended
    | UsernameTaken
    | WeakPassword
    | InvalidCredentials
    | UserBanned
    | HasherBusy
    | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof revokeSession>>().toEqualTypeOf<SessionNotFound | StoreUnavailable>()
  expectTypeOf<Errors<typeof revokeSessions>>().toEqualTypeOf<StoreUnavailable>()
  expectTypeOf<Errors<typeof changeTenant>>().toEqualTypeOf<TenantNotFound | StoreUnavailable>()
  expectTypeOf<Errors<typeof deleteTenant>>().toEqualTypeOf<TenantNotFound | StoreUnavailable>()
  expectTypeOf<Errors<typeof introspect>>().toEqualTypeOf<StoreUnavailable>()
  expectTypeOf<Errors<typeof issueApiKey>>().toEqualTypeOf<TooManyApiKeys | StoreUnavailable>()
  expectTypeOf<Errors<typeof revokeApiKey>>().toEqualTypeOf<ApiKeyNotFound | LastApiKey | StoreUnavailable>()
  expectTypeOf<Errors<typeof verifyApiKey>>().toEqualTypeOf<InvalidApiKey | StoreUnavailable>()
  expectTypeOf<Errors<typeof changeUser>>().toEqualTypeOf<
    UserNotFound | CustomIdTaken | CustomIdImmutable | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof eraseUser>>().toEqualTypeOf<UserNotFound | StoreUnavailable>()
  expectTypeOf<Errors<typeof changePassword>>().toEqualTypeOf<
    InvalidCredentials | RateLimited | WeakPassword | HasherBusy | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof createChannel>>().toEqualTypeOf<RateLimited | StoreUnavailable>()
  expectTypeOf<Errors<typeof changeChannel>>().toEqualTypeOf<ChannelNotFound | StoreUnavailable>()
  expectTypeOf<Errors<typeof deleteChannel>>().toEqualTypeOf<ChannelNotFound | NotAllowed | StoreUnavailable>()
  expectTypeOf<Errors<typeof changeStanding>>().toEqualTypeOf<
    ChannelNotFound | UserNotFound | NotAllowed | StoreUnavailable
  >()
  expectTypeOf<Errors<typeof joinChannel>>().toEqualTypeOf<ChannelNotFound | RemovedFromChannel | StoreUnavailable>()
  expectTypeOf<Errors<typeof reviewMembers>>().toEqualTypeOf<ChannelNotFound | StoreUnavailable>()
})

it("names every service that a flow needs, and no other", () => {
  expectTypeOf<Needs<typeof autoAuth>>().toEqualTypeOf<
    ApiKeyRepository | TokenCodec | TokenStore | RateLimits | EventBus | AuditLog
  >()
  expectTypeOf<Needs<typeof passwordAuth>>().toEqualTypeOf<
    UserRepository | PasswordHasher | RateLimits | TokenCodec | TokenStore | EventBus | AuditLog
  >()
  expectTypeOf<Needs<typeof refreshSession>>().toEqualTypeOf<
    TokenCodec | TokenStore | RateLimits | EventBus | AuditLog
  >()
  expectTypeOf<Needs<typeof detectTokenReuse>>().toEqualTypeOf<TokenStore | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof authenticate>>().toEqualTypeOf<TokenCodec | TokenStore>()
  expectTypeOf<Needs<typeof issueTicket>>().toEqualTypeOf<TokenCodec | TicketStore>()
  expectTypeOf<Needs<typeof redeemTicket>>().toEqualTypeOf<TokenCodec | TicketStore>()
  expectTypeOf<Needs<typeof logout>>().toEqualTypeOf<TokenStore | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof endSession>>().toEqualTypeOf<TokenStore | EventBus>()
  expectTypeOf<Needs<typeof authenticateApiKey>>().toEqualTypeOf<ApiKeyRepository | TokenCodec>()
  expectTypeOf<Needs<typeof authenticateAdmin>>().toEqualTypeOf<AdminKey | TokenCodec>()
  expectTypeOf<Needs<typeof createTenant>>().toEqualTypeOf<TenantRepository | TokenCodec | AuditLog>()
  expectTypeOf<Needs<typeof createUser>>().toEqualTypeOf<
    UserRepository | TenantRepository | CommonPasswords | PasswordHasher | AuditLog
  >()
  expectTypeOf<Needs<typeof hashNewPassword>>().toEqualTypeOf<TenantRepository | CommonPasswords | PasswordHasher>()
  expectTypeOf<Needs<typeof setPassword>>().toEqualTypeOf<
    UserRepository | TenantRepository | CommonPasswords | PasswordHasher | EventBus | AuditLog
  >()
  expectTypeOf<Needs<typeof register>>().toEqualTypeOf<
    | TenantRepository
    | UserRepository
    | CommonPasswords
    | PasswordHasher
    | RateLimits
    | TokenCodec
    | TokenStore
    | EventBus
    | AuditLog
  >()
  expectTypeOf<Needs<typeof revokeSession>>().toEqualTypeOf<TokenStore | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof revokeSessions>>().toEqualTypeOf<TokenStore | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof changeTenant>>().toEqualTypeOf<TenantRepository | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof deleteTenant>>().toEqualTypeOf<TenantRepository | EventBus>()
  expectTypeOf<Needs<typeof introspect>>().toEqualTypeOf<TokenCodec | TokenStore>()
  expectTypeOf<Needs<typeof issueApiKey>>().toEqualTypeOf<ApiKeyRepository | TokenCodec | AuditLog>()
  expectTypeOf<Needs<typeof revokeApiKey>>().toEqualTypeOf<ApiKeyRepository | AuditLog>()
  expectTypeOf<Needs<typeof verifyApiKey>>().toEqualTypeOf<ApiKeyRepository | TokenCodec>()
  expectTypeOf<Needs<typeof changeUser>>().toEqualTypeOf<UserRepository | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof eraseUser>>().toEqualTypeOf<UserRepository | EventBus | AuditLog>()
  expectTypeOf<Needs<typeof changePassword>>().toEqualTypeOf<
    UserRepository | TenantRepository | CommonPasswords | PasswordHasher | RateLimits | EventBus | AuditLog
  >()
  expectTypeOf<Needs<typeof createChannel>>().toEqualTypeOf<ChannelRepository | RateLimits>()
  expectTypeOf<Needs<typeof changeChannel>>().toEqualTypeOf<ChannelRepository | RoomBus | AuditLog>()
  expectTypeOf<Needs<typeof deleteChannel>>().toEqualTypeOf<ChannelRepository | RoomBus | AuditLog>()
  expectTypeOf<Needs<typeof changeStanding>>().toEqualTypeOf<ChannelRepository | RoomBus | AuditLog>()
  expectTypeOf<Needs<typeof joinChannel>>().toEqualTypeOf<ChannelRepository>()
  expectTypeOf<Needs<typeof reviewMembers>>().toEqualTypeOf<ChannelRepository>()
})
