import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder that holds everything that is built or fetched once: `${XDG_CACHE_HOME:-~/.cache}/slotkeeper`. */
export function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME']
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'slotkeeper')
}

/** The folder of one platform's state. Short, because paths of unix sockets end at 107 characters. */
export function stateDirectory(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
    throw new Error(`a platform's name has lower-case letters, digits and dashes, at most 40: ${name}`)
  }
  return join(cacheDirectory(), 'run', name)
}
