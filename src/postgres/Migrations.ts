// The schema, one numbered step at a time, under a lock: two instances may start at once, the second waits and finds
// nothing left to do. A step that has landed is never edited.
import * as Migrator from "effect/sql/Migrator"
import initial from "./migrations/0001_initial.ts"
import apiKeyLastUsed from "./migrations/0002_api_key_last_used.ts"
import rateLimits from "./migrations/0003_rate_limits.ts"
import upkeep from "./migrations/0004_upkeep.ts"
import events from "./migrations/0005_events.ts"
import voiceRooms from "./migrations/0006_voice_rooms.ts"
import tickets from "./migrations/0007_tickets.ts"
import newUsers from "./migrations/0008_new_users.ts"

export const run = Migrator.make({})({
  table: "roomkey_migrations",
  loader: Migrator.fromRecord({
    "0001_initial": initial,
    "0002_api_key_last_used": apiKeyLastUsed,
    "0003_rate_limits": rateLimits,
    "0004_upkeep": upkeep,
    "0005_events": events,
    "0006_voice_rooms": voiceRooms,
    "0007_tickets": tickets,
    "0008_new_users": newUsers
  })
})
