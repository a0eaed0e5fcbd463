import { Context, type Redacted } from "effect"

/** The operator's key, `vc_admin_` and 64 hex characters. */
export class AdminKey extends Context.Service<AdminKey, Redacted.Redacted>()("roomkey/services/AdminKey") {}
