// What Node made of the sources when it last ran them (types stripped, code compiled), kept for the next start, which is
// then about a third shorter. Deno keeps the same of its own accord. Without a home, or where nothing can be written,
// each start does the work again.
import * as Module from "node:module"
import { userInfo } from "node:os"
import { isAbsolute, join } from "node:path"

/** In the home of whoever runs this, and not in `HOME`: what is kept is run, so nobody else may have put it there. */
const folder = (): string | undefined => {
  try {
    const { homedir } = userInfo()
    return isAbsolute(homedir) ? join(homedir, ".cache", "roomkey") : undefined
  } catch {
    return undefined
  }
}

/** Of what is loaded from now on. `NODE_COMPILE_CACHE` names another folder, `NODE_DISABLE_COMPILE_CACHE=1` wants none. */
export const keepCompiled = (): void => {
  // Deno has no such function.
  const { enableCompileCache }: Partial<typeof Module> = Module
  if (enableCompileCache === undefined) return
  const directory = folder()
  if (directory !== undefined) enableCompileCache(directory)
}
