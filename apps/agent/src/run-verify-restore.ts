import type { AgentDone } from '@slotkeeper/backup'
import { RedisError } from '@slotkeeper/redis-client'
import { formatRanges, parseClusterNodes, parseInfo, parseRanges } from '@slotkeeper/redis-topology'
import { AgentError } from './agent-error.ts'
import { infoCount } from './info-count.ts'
import { askServer, of, type ServerAccess, type ServerEntry } from './server-access.ts'
import type { TaskContext, TaskOf } from './task-context.ts'

type Planned = TaskOf<'VerifyRestore'>['shards'][number]
type Verify = ServerEntry & { readonly shards: readonly Planned[] }
/** What a server has loaded, and left out since its time was over. */
type Loaded = {
  readonly keys: number
  readonly expired: number
  /** Its role, where it is no longer who loaded the shard: it has copied another server's data since. */
  readonly replaced?: string
  readonly differences: readonly string[]
}

/**
 * Asks servers that were started from seeded volumes what they have loaded, and whether they are who they were to be.
 *
 * @throws AgentError `CountsDiffer` that names each shard, what was expected and what was found; `NotCounted` for shards that
 *   have failed over before; RedisError of a server that does not answer, or still loads
 */
export async function runVerifyRestore(
  task: Verify,
  { secrets, signal, log }: Pick<TaskContext, 'secrets' | 'signal' | 'log'>,
): Promise<Extract<AgentDone, { readonly task: 'VerifyRestore' }>> {
  const loaded = await Promise.all(task.shards.map((planned) => look(planned, { task, secrets, signal })))
  const differences = loaded.flatMap((one) => one.differences)
  if (differences.length > 0) throw new AgentError('CountsDiffer', differences.join('; '))
  const replaced = loaded.flatMap((one) => one.replaced ?? [])
  if (replaced.length > 0)
    throw new AgentError(
      'NotCounted',
      `${replaced.join('; ')}: what it loaded cannot be asked for any more. Its volume was counted slot by slot when it was filled`,
    )
  const sum = (of: (one: Loaded) => number): number => loaded.reduce((total, one) => total + of(one), 0)
  const [keys, expired] = [sum((one) => one.keys), sum((one) => one.expired)]
  log.info({ shards: task.shards.length, keys, expired }, 'every shard has loaded what it was to')
  return { task: 'VerifyRestore', keys, expired }
}

async function look(
  { shard, server, slots, keys: planned, endingHashes = 0 }: Planned,
  access: ServerAccess,
): Promise<Loaded> {
  const [info = '', rows = ''] = await askServer(server, access, [
    ['INFO', 'persistence', 'replication', 'stats'],
    ['CLUSTER', 'NODES'],
  ])
  const { loading, role } = parseInfo(info)
  if (loading) throw of(server, new RedisError('Loading', 'the server is loading its data'))
  const self = parseClusterNodes(rows).find(({ myself }) => myself)
  if (self?.nodeId === server.nodeId && self.role === 'replica')
    return { keys: 0, expired: 0, replaced: `shard ${shard}: ${server.pod} is a replica by now`, differences: [] }
  const keys = infoCount(info, 'rdb_last_load_keys_loaded')
  const counted = infoCount(info, 'rdb_last_load_keys_expired')
  const said = keys + counted
  // What no server counts: hashes whose fields were all over.
  const uncounted = planned > said && planned - said <= endingHashes ? planned - said : 0
  const differing = (what: string, expected: string | number, found: string | number): readonly string[] =>
    expected === found ? [] : [`shard ${shard} (${server.pod}): ${what}: ${expected} expected, ${found} found`]
  return {
    keys,
    expired: counted + uncounted,
    differences: [
      ...differing('node id', server.nodeId, self?.nodeId ?? 'none'),
      ...differing('role', 'primary', role),
      ...differing('slots', slotsText(parseRanges(slots)), slotsText(self?.slots ?? [])),
      ...differing('keys loaded', planned, said + uncounted),
      // What does not fit into maxMemory goes after it was loaded.
      ...differing('keys evicted for want of memory (maxMemory)', 0, infoCount(info, 'evicted_keys')),
    ],
  }
}

const slotsText = (ranges: Parameters<typeof formatRanges>[0]): string => formatRanges(ranges) || 'none'
