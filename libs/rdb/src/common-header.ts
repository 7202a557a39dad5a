import type { RdbHeader } from './rdb-listener.ts'

/** RDB versions from which a file of Redis is refused by all of Valkey (`RDB_FOREIGN_VERSION_MIN` in its `src/rdb.h`). */
export const FOREIGN_TO_VALKEY = 12

/**
 * The header under which the records of all these files keep their meaning; null where there is none, or no file. A value is
 * read by the number of its type alone (`rdbLoadObject` in `src/rdb.c`), later versions only add numbers, and Valkey 9 added
 * its own to those of Redis 7.2: only what Redis has added since then means something else to it.
 */
export function commonHeader(headers: readonly RdbHeader[]): RdbHeader | null {
  const [latest] = headers.toSorted((a, b) => rank(b) - rank(a))
  if (latest === undefined) return null
  const isForeign = ({ format, version }: RdbHeader): boolean => format === 'redis' && version >= FOREIGN_TO_VALKEY
  return latest.format === 'valkey' && headers.some(isForeign) ? null : { ...latest }
}

const rank = ({ format, version }: RdbHeader): number => (format === 'valkey' ? 1_000 : 0) + version
