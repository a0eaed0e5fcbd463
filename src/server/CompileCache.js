// What Node made of the sources when it last ran them (types stripped, code compiled), kept for the next start, which is
// then about a quarter shorter. Deno keeps the same of its own accord. Without a home, or where nothing can be written, each
// start does the work again. In JavaScript, and preloaded by `npm start`: Node starts a compiler for the first TypeScript
// that it loads before it knows where to look. The entries import it for whoever starts them by themselves.
// @ts-check
import * as Module from "node:module"
import { userInfo } from "node:os"
import { isAbsolute, join } from "node:path"

/** In the home of whoever runs this, and not in `HOME`: what is kept is run, so nobody else may have put it there. */
const folder = () => {
  try {
    const { homedir } = userInfo()
    return isAbsolute(homedir) ? join(homedir, ".cache", "roomkey") : undefined
  } catch {
    return undefined
  }
}

// Deno has no such function.
if (Module.enableCompileCache !== undefined) {
  const directory = folder()
  // Of what is loaded from now on. `NODE_COMPILE_CACHE` names another folder, `NODE_DISABLE_COMPILE_CACHE=1` wants none.
  if (directory !== undefined) Module.enableCompileCache(directory)
}
