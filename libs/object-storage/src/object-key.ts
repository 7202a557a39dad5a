import { StorageError } from './storage-error.ts'

const NAME = /^[A-Za-z0-9!_*'()=@:,+-][A-Za-z0-9!_.*'()=@:,+-]*$/
const MOST_NAME_BYTES = 200
const MOST_KEY_BYTES = 900

/** Gives the key back, or refuses one that not every storage can keep, or that would lead out of it. */
export function checkKey(key: string): string {
  const isKey =
    key.length <= MOST_KEY_BYTES && key.split('/').every((name) => name.length <= MOST_NAME_BYTES && NAME.test(name))
  if (isKey) return key
  throw new StorageError(
    'Refused',
    `${JSON.stringify(key.slice(0, 100))} can't be a key`,
    `Use names of letters, digits and !_.*'()=@:,+- with slashes between, none beginning with a dot, at most ${MOST_NAME_BYTES} bytes each`,
  )
}

/** Gives back the beginning of keys, or refuses what no key begins with; empty is all keys. */
export function checkPrefix(prefix: string): string {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? `${prefix}x` : prefix)
  return prefix
}

/** What keys begin with in a folder that is written with or without its slashes; empty where there is none. */
export const folderOf = (folder = ''): string => {
  const bare = folder.replace(/^\/+|\/+$/g, '')
  return bare === '' ? '' : `${bare}/`
}
