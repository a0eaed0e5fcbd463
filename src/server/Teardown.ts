// How the process of an instance ends.
import { Cause, Exit, Runtime } from "effect"

/** Ended by a signal and in order is how a service ends well: 0, so that a supervisor sees no failure. */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
