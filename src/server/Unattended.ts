// What is answered while nobody answers: before the routes are up (the database is waited for, a migration runs) and
// after they went. The process lives, and everything else is to be tried again.
import { ProblemDetails } from "effect/http"
import { randomUUID } from "node:crypto"
import type { Server } from "node:http"
import * as Problems from "../api/Problems.ts"

const { code, status, title, type } = new Problems.Unavailable({})
const unavailable = JSON.stringify({ type, title, status, detail: "The instance is starting or restarting", code })
const healthy = JSON.stringify({ status: "ok" })

const isHealth = (url: string | undefined): boolean => /^\/health(?:\?|$)/.test(url ?? "")

/** Answers each request that nobody else on `server` is there for. */
export const attend = (server: Server): Server =>
  server.on("request", (request, response) => {
    if (server.listenerCount("request") > 1) return
    const health = isHealth(request.url)
    response.writeHead(health ? 200 : status, {
      "content-type": health ? "application/json" : ProblemDetails.contentType,
      "cache-control": "no-store",
      "x-request-id": randomUUID(),
      connection: "close",
      ...(health ? {} : { "retry-after": "1" })
    })
    response.end(health ? healthy : unavailable)
  })
