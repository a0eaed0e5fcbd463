// What a request asked for, for whoever traces it: the router says so of what it routes.
import { Context, type Fiber, Tracer } from "effect"

/** Says it of a request that is answered before it is routed. */
export const nameRoute = (fiber: Fiber.Fiber<unknown, unknown>, route: string): void => {
  if (fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer) return
  const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  if (span?._tag === "Span" && span.sampled) span.attribute("http.route", route)
}
