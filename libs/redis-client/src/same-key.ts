import { asRedisError, RedisError, type RedisNode } from './redis-node.ts'

type Copy = { readonly dump: Buffer; readonly expiresAt: number; readonly sorted: string | null }

/** Where a value travels, its time to live is counted anew: the two copies may differ by what the way took. */
const EXPIRY_DRIFT_MS = 5_000
/** The last ten bytes of a dump are a version and a checksum. */
const FOOTER_BYTES = 10
/** How the members of a type are read that one server may hold in another order than another. */
const MEMBERS: Readonly<Record<string, (key: Buffer) => readonly (string | Buffer)[]>> = {
  set: (key) => ['SMEMBERS', key],
  hash: (key) => ['HGETALL', key],
  zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
}

/**
 * Compares a key on two servers, of which each owns the key's slot or imports it.
 *
 * @param timeoutMs for each server, in milliseconds
 * @returns `Gone` when either server no longer has it
 * @throws RedisError when a server could not be asked
 */
export async function compareKey(
  [a, b]: readonly [RedisNode, RedisNode],
  key: Buffer,
  timeoutMs: number,
): Promise<'Same' | 'Different' | 'Gone'> {
  const [one, other] = await Promise.all([read(a, key, timeoutMs), read(b, key, timeoutMs)])
  if (one === null || other === null) return 'Gone'
  if (Math.abs(one.expiresAt - other.expiresAt) > EXPIRY_DRIFT_MS) return 'Different'
  if (one.dump.subarray(0, -FOOTER_BYTES).equals(other.dump.subarray(0, -FOOTER_BYTES))) return 'Same'
  return one.sorted !== null && one.sorted === other.sorted ? 'Same' : 'Different'
}

async function read(node: RedisNode, key: Buffer, timeoutMs: number): Promise<Copy | null> {
  const [dump, expiresAt, type] = await asking(
    node,
    [
      ['DUMP', key],
      ['PEXPIRETIME', key],
      ['TYPE', key],
    ],
    timeoutMs,
  )
  if (dump === null || dump === undefined) return null
  if (!Buffer.isBuffer(dump)) throw new RedisError('Answered', 'a key could not be read')
  const list = MEMBERS[String(type)]
  const members = list === undefined ? null : (await asking(node, [list(key)], timeoutMs))[0]
  return { dump, expiresAt: Number(expiresAt), sorted: Array.isArray(members) ? sorted(members, String(type)) : null }
}

/** The members in one order; what belongs to a member, its value or score, stays beside it. */
function sorted(members: readonly unknown[], type: string): string {
  const words = members.flat().map((one) => (Buffer.isBuffer(one) ? one.toString('hex') : String(one)))
  if (type === 'set') return words.toSorted().join(' ')
  const pairs = words.flatMap((word, index) => (index % 2 === 0 ? [`${word}:${words[index + 1]}`] : []))
  return pairs.toSorted().join(' ')
}

/**
 * Sends commands about keys of a slot that the server owns, or imports. A key that is not there is answered with null,
 * also by an owner that would send its clients elsewhere for it.
 *
 * @throws RedisError when the server refused for another reason
 */
export async function asking(
  node: RedisNode,
  commands: readonly (readonly (string | Buffer)[])[],
  timeoutMs: number,
): Promise<readonly unknown[]> {
  const answers = await node.binary(
    commands.flatMap((command) => [['ASKING'], command]),
    timeoutMs,
  )
  return answers
    .filter((_, index) => index % 2 === 1)
    .map((answer) => {
      if (!(answer instanceof RedisError)) return answer
      if (answer.message.startsWith('ASK ')) return null
      throw asRedisError(answer)
    })
}
