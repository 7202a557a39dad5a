import { RedisError, type RedisNode } from './redis-node.ts'
import { asking, compareKey } from './same-key.ts'

/** The keys of one slot on their way from one server to another. */
export type KeysMove = {
  readonly slot: number
  readonly from: RedisNode
  readonly to: RedisNode
  /** Where `from` finds `to`, and as whom it enters there. */
  readonly address: { readonly host: string; readonly port: number }
  readonly login: { readonly username: string; readonly password: string }
  /** `from` owns the slot: its copy of a key is the one that is served. */
  readonly owned: boolean
  /** Whether there is time for another step. */
  readonly goesOn: () => boolean
  /** Waits until what `to` holds outlives it; false when that was not seen in time. */
  readonly kept: () => Promise<boolean>
}

/** What came of it. `Moved`: `from` holds no key of the slot. `Disputed`: none but these. `Begun`: it is to go on. */
export type KeysMoved = {
  readonly result: 'Moved' | 'Disputed' | 'Begun'
  readonly moved: number
  readonly disputed: readonly Buffer[]
}

const CALL_MS = 2_000
/** Of MIGRATE both servers wait for the end, and their clients with them: at most so many keys and bytes at a time. */
const BATCH_KEYS = 100
const BATCH_BYTES = 1_000_000
/** What a server may take for one batch, beyond a second: ten megabytes in a second. */
const BYTES_PER_MS = 10_000
const MIGRATE_MS = 1_000
const MIGRATE_MOST_MS = 60_000

/**
 * Moves keys until none is left or there is no more time. What the other side has already is never written over with
 * something else: MIGRATE goes out without REPLACE, and of a key that both have both are compared.
 *
 * @throws RedisError when a server refused, or did not answer: then keys may be on both, and it can be called again
 */
export async function moveKeys(move: KeysMove): Promise<KeysMoved> {
  const disputed: Buffer[] = []
  let moved = 0
  while (move.goesOn()) {
    const listed = await keysOf(move, disputed.length + BATCH_KEYS)
    const keys = listed.filter((key) => !disputed.some((one) => one.equals(key)))
    if (keys.length === 0) return { result: listed.length === 0 ? 'Moved' : 'Disputed', moved, disputed }
    const { batch, bytes } = await oneBatch(move, keys)
    if (await migrate(move, batch, bytes, false)) moved += batch.length
    else disputed.push(...(await settle(move, batch, bytes)))
    if (!(await move.kept())) break
  }
  return { result: 'Begun', moved, disputed }
}

async function keysOf({ from, slot }: KeysMove, most: number): Promise<readonly Buffer[]> {
  const [keys] = await from.binary([['CLUSTER', 'GETKEYSINSLOT', String(slot), String(most)]], CALL_MS)
  if (keys instanceof RedisError) throw keys
  return Array.isArray(keys) ? keys.filter((key) => Buffer.isBuffer(key)) : []
}

/** The first keys that are small enough together; at least one. */
async function oneBatch(
  { from }: KeysMove,
  keys: readonly Buffer[],
): Promise<{ readonly batch: readonly Buffer[]; readonly bytes: number }> {
  const sizes = await asking(
    from,
    keys.map((key) => ['MEMORY', 'USAGE', key]),
    CALL_MS,
  )
  const batch: Buffer[] = []
  let bytes = 0
  for (const [index, key] of keys.entries()) {
    const size = Number(sizes[index] ?? 0)
    if (batch.length > 0 && bytes + size > BATCH_BYTES) break
    batch.push(key)
    bytes += size
  }
  return { batch, bytes }
}

/** False when the other server has one of the keys already: the rest has been moved. */
async function migrate(move: KeysMove, keys: readonly Buffer[], bytes: number, replace: boolean): Promise<boolean> {
  const { from, address, login } = move
  const timeoutMs = Math.min(MIGRATE_MOST_MS, MIGRATE_MS + Math.ceil(bytes / BYTES_PER_MS))
  const where = [address.host, String(address.port), '', '0', String(timeoutMs)]
  const how = [...(replace ? ['REPLACE'] : []), 'AUTH2', login.username, login.password]
  const [answer] = await from.binary([['MIGRATE', ...where, ...how, 'KEYS', ...keys]], timeoutMs + CALL_MS)
  if (!(answer instanceof RedisError)) return true
  if (answer.message.includes('BUSYKEY')) return false
  throw answer
}

/**
 * Of keys that may be on both servers: those whose values differ. Of equal ones the copy that is not served goes: the
 * owner's replaces the other, for it may be written to at any moment; what is not owned is deleted.
 */
async function settle(move: KeysMove, keys: readonly Buffer[], bytes: number): Promise<readonly Buffer[]> {
  const different: Buffer[] = []
  for (const key of keys) {
    const found = await compareKey([move.from, move.to], key, CALL_MS)
    if (found === 'Different') different.push(key)
    else if (found === 'Same' && move.owned) await migrate(move, [key], bytes, true)
    else if (found === 'Same') await asking(move.from, [['DEL', key]], CALL_MS)
  }
  return different
}
