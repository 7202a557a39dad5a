import { parseInfo } from '@slotkeeper/redis-topology'

/** Below it no server knows `REPLCONF rdb-only`. */
const OLDEST = 7

/** Why a server cannot be copied, by its INFO, with a remedy; null where it can. */
export function unfitness(info: string): string | null {
  const { version } = parseInfo(info)
  if (!(Number.parseInt(version, 10) >= OLDEST)) {
    const what = version === '' ? 'does not say its version' : `is version ${version}`
    return `${what}: Redis 7.0, Valkey 7.2 and later can be copied; upgrade it, or make a newer one a replica of it (REPLICAOF) and copy that`
  }
  const others = Array.from(info.matchAll(/^db([1-9]\d*):keys=(\d+)/gm), ([, db, keys]) => `db${db} (${keys} keys)`)
  if (others.length === 0) return null
  return `has keys in ${others.slice(0, 8).join(', ')}: a cluster has only database 0; move them there (MOVE), or delete them`
}
