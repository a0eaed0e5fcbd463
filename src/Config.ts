// Every environment variable, once. A wrong value stops the start with the variable's name.
import { Array as Arr, Config, ConfigProvider, Duration, Option, Schema, SchemaTransformation } from "effect"

export const AdminKeyText = Schema.String.check(
  Schema.isPattern(/^vc_admin_[0-9a-f]{64}$/, { message: "Expected vc_admin_ and 64 lower-case hex characters" })
)

const decimal = (minimum: number, maximum: number) =>
  Schema.String.check(Schema.isPattern(/^\d{1,9}$/, { message: "Expected a whole number" })).pipe(
    Schema.decodeTo(Schema.FiniteFromString.check(Schema.isBetween({ minimum, maximum })))
  )

const int = (name: string, minimum: number, maximum: number, byDefault: number) =>
  Config.schema(decimal(minimum, maximum), name).pipe(Config.withDefault(byDefault))

const duration = (name: string, byDefault: Duration.Input, longest: Duration.Input, shortest = 1) => {
  const most = Duration.fromInputUnsafe(longest)
  return Config.schema(
    Schema.DurationFromString.check(
      Schema.makeFilter((value: Duration.Duration) =>
        (Number.isInteger(Duration.toSeconds(value)) && Duration.toSeconds(value) >= shortest &&
          Duration.isLessThanOrEqualTo(value, most)) ||
        `Expected whole seconds, at least ${shortest} and at most ${Duration.format(most)}`
      )
    ),
    name
  ).pipe(Config.withDefault(Duration.fromInputUnsafe(byDefault)))
}

const CommaSeparated = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Array(Schema.String),
    SchemaTransformation.transform({
      decode: (text): ReadonlyArray<string> => text.split(",").map((part) => part.trim()).filter((part) => part !== ""),
      encode: (parts: ReadonlyArray<string>) => parts.join(",")
    })
  )
)

const list = (name: string, item: Schema.Codec<string, string> = Schema.String) =>
  Config.schema(CommaSeparated.pipe(Schema.decodeTo(Schema.Array(item))), name).pipe(
    Config.withDefault<ReadonlyArray<string>>([])
  )

/** RFC 7064 and RFC 7065; what may be in a host is left to the URL parser. */
const iceUrl = /^(stun|turn)s?:((?:\[[\da-fA-F:.]+\]|\w[\w.-]*)(?::[1-9]\d{0,4})?)(\?transport=(?:udp|tcp))?$/

const isIceUrl = (text: string, kind: "stun" | "turn"): boolean => {
  const [, scheme, authority, transport] = iceUrl.exec(text) ?? []
  return scheme === kind && (transport === undefined || kind === "turn") && URL.canParse(`http://${authority}`)
}

const StunUrl = Schema.String.check(
  Schema.makeFilter((text: string) =>
    isIceUrl(text, "stun") || "Expected stun: or stuns: URLs, or JSON where a turn: URL has username and credential"
  )
)

const TurnUrl = Schema.String.check(
  Schema.makeFilter((text: string) => isIceUrl(text, "turn") || "Expected a turn: or turns: URL")
)

const IceUrl = Schema.String.check(
  Schema.makeFilter((text: string) =>
    isIceUrl(text, "stun") || isIceUrl(text, "turn") || "Expected a stun:, stuns:, turn: or turns: URL"
  )
)

const urlsOf = (urls: string | ReadonlyArray<string>): ReadonlyArray<string> => typeof urls === "string" ? [urls] : urls

/** A browser refuses to connect at all when it is given a TURN server without its credential. */
const IceServer = Schema.Struct({
  urls: Schema.Union([IceUrl, Schema.NonEmptyArray(IceUrl)]),
  username: Schema.optionalKey(Schema.String),
  credential: Schema.optionalKey(Schema.RedactedFromValue(Schema.String))
}).check(
  Schema.makeFilter(({ credential, urls, username }) =>
    (username !== undefined && credential !== undefined) || urlsOf(urls).every((url) => isIceUrl(url, "stun")) ||
    "Expected username and credential beside a turn: URL"
  )
)

const iceServers = Config.String("ICE_SERVERS").pipe(
  Config.withDefault(""),
  Config.flatMap((text): Config.Config<ReadonlyArray<typeof IceServer.Type>> =>
    /^\s*\[/.test(text)
      ? Config.schema(Schema.fromJsonString(Schema.Array(IceServer)), "ICE_SERVERS")
      : Config.map(list("ICE_SERVERS", StunUrl), (urls) => Arr.isReadonlyArrayNonEmpty(urls) ? [{ urls }] : [])
  ),
  Config.map((servers) => servers.map((server) => ({ ...server, urls: urlsOf(server.urls) })))
)

const turn = Config.all({
  urls: list("TURN_URLS", TurnUrl),
  secret: Config.option(Config.Redacted("TURN_SECRET")),
  ttl: duration("TURN_TTL", "1 hour", "1 day", 60)
}).pipe(
  Config.flatMap(({ secret, ttl, urls }) => {
    if (urls.length > 0 && Option.isSome(secret)) {
      return Config.succeed(Option.some({ urls, secret: secret.value, ttl }))
    }
    if (urls.length === 0 && Option.isNone(secret)) return Config.succeed(Option.none())
    return Config.fail(
      new ConfigProvider.SourceError({ message: "TURN_URLS and TURN_SECRET go together: set both, or neither" })
    )
  })
)

/** Where the embedded database and the admin key are. */
export const dataDir = Config.NonEmptyString("DATA_DIR").pipe(Config.withDefault(".roomkey"))

export const adminKey = Config.option(Config.schema(Schema.RedactedFromValue(AdminKeyText), "ROOMKEY_ADMIN_KEY"))

export const RoomkeyConfig = Config.all({
  /** 0 takes any free port. */
  port: int("PORT", 0, 65_535, 4000),
  host: Config.String("HOST").pipe(Config.withDefault("0.0.0.0")),
  /** A PostgreSQL URL; without it the embedded database is used. */
  databaseUrl: Config.option(Config.Redacted("DATABASE_URL")),
  databaseConnections: int("DATABASE_CONNECTIONS", 5, 200, 8),
  dataDir,
  adminKey,
  accessTtl: duration("ACCESS_TTL", "1 hour", "365 days"),
  refreshTtl: duration("REFRESH_TTL", "30 days", "3650 days"),
  sessionTtl: duration("SESSION_TTL", "90 days", "3650 days"),
  refreshGrace: duration("REFRESH_GRACE", "30 seconds", "1 hour"),
  /** How long a session that is over is remembered. */
  sessionRetention: duration("SESSION_RETENTION", "7 days", "3650 days"),
  eventRetention: duration("EVENT_RETENTION", "365 days", "36500 days"),
  maxSessionsPerUser: int("MAX_SESSIONS_PER_USER", 1, 10_000, 100),
  passwordMinLength: int("PASSWORD_MIN_LENGTH", 8, 128, 8),
  argon2MemoryKiB: int("ARGON2_MEMORY_KIB", 8, 1_048_576, 19_456),
  argon2Iterations: int("ARGON2_ITERATIONS", 1, 10, 2),
  argon2Parallelism: int("ARGON2_PARALLELISM", 1, 16, 1),
  hashConcurrency: Config.option(Config.schema(decimal(1, 256), "HASH_CONCURRENCY")),
  hashQueue: int("HASH_QUEUE", 0, 100_000, 64),
  hashNiceness: Config.option(Config.schema(decimal(0, 19), "HASH_NICENESS")),
  maxSocketsPerUser: int("MAX_SOCKETS_PER_USER", 1, 100_000, 20),
  maxChannelMembers: int("MAX_CHANNEL_MEMBERS", 2, 100_000, 1000),
  socketPing: duration("SOCKET_PING", "25 seconds", "1 hour"),
  socketDrain: duration("SOCKET_DRAIN", "3 seconds", "3 seconds"),
  /** How long a stopping instance still takes requests, so that a load balancer sees that it is not ready. */
  shutdownDelay: duration("SHUTDOWN_DELAY", "0 seconds", "5 seconds", 0),
  /** Proxies in front that append to X-Forwarded-For. */
  trustProxy: int("TRUST_PROXY", 0, 10, 0),
  limitLoginAccount: int("LIMIT_LOGIN_ACCOUNT", 1, 1_000_000, 10),
  limitLoginAddress: int("LIMIT_LOGIN_ADDRESS", 1, 1_000_000, 100),
  limitRefreshFailures: int("LIMIT_REFRESH_FAILURES", 1, 1_000_000, 60),
  limitRegistrations: int("LIMIT_REGISTRATIONS", 1, 1_000_000, 20),
  limitChannels: int("LIMIT_CHANNELS", 1, 1_000_000, 1000),
  limitAutoAuth: int("LIMIT_AUTO_AUTH", 1, 100_000_000, 60_000),
  corsOrigins: list("CORS_ORIGINS"),
  /** The same for everybody. */
  iceServers,
  /** coturn's, for which each user is given a credential that ends. */
  turn,
  demo: Config.option(Config.Boolean("DEMO")),
  logLevel: Config.LogLevel("LOG_LEVEL").pipe(Config.withDefault("Info")),
  logFormat: Config.Literals(["auto", "json", "pretty"], "LOG_FORMAT").pipe(Config.withDefault("auto")),
  otlpEndpoint: Config.option(Config.NonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT"))
})

export type RoomkeyConfig = Config.Success<typeof RoomkeyConfig>

/** Which of the two databases a configuration names. */
export const isEmbedded = (config: RoomkeyConfig): boolean => Option.isNone(config.databaseUrl)

/** Whether the page at `/demo` is served: with the embedded database, unless it is said otherwise. */
export const servesDemo = (config: RoomkeyConfig): boolean => Option.getOrElse(config.demo, () => isEmbedded(config))
