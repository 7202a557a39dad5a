import { isDeepStrictEqual } from 'node:util'
import { conditionStatus } from '@slotkeeper/events'
import { type NodeRow, parseClusterNodes } from '@slotkeeper/redis-topology'
import { until } from '@slotkeeper/testing'
import { judge, secondFailureAt, type Verdict } from './contract.ts'
import {
  type Claim,
  coverageFaults,
  operationFaults,
  ownerFaults,
  replayFaults,
  type SeenStatus,
  statusFaults,
} from './invariants.ts'
import type { Trial } from './trial.ts'

type Named = { readonly name: string; readonly uid: string }

const PATIENCE_MS = 60_000
/** What no controller ever has a reason to send to a server that holds data. */
const NEVER = [
  'flushall',
  'flushdb',
  'cluster|reset',
  'cluster|flushslots',
  'cluster|delslots',
  'cluster|delslotsrange',
]

/** Mends what is cut, waits until the cluster is whole again, and compares the books. */
export async function conclude(trial: Trial): Promise<Verdict> {
  await trial.restore()
  await looked(trial)
  await trial.stage.healthy(trial.name)
  await trial.writesGoOn(20)
  const entries = await trial.writer.finish()
  // Quiet from here: what is told now is what is there.
  await trial.stage.healthy(trial.name)
  const verdict = judge(entries, await trial.writer.readBack(), trial.allowance, { firstAt: trial.faultAt })
  await labelled(trial)
  await believed(trial)
  const status = await allTold(trial)
  const faults = [
    ...verdict.faults,
    ...(await trial.heritage.missing()),
    ...statusFaults(trial.watch.statuses()),
    ...ownerFaults(claimsOf(trial)),
    ...coverageFaults(trial.watch.claims()),
    ...operationFaults(trial.told()),
    ...replayFaults(trial.told(), status),
    ...honestyFaults(trial),
    ...bystanderFaults(trial),
    ...(await commandFaults(trial)),
  ]
  return { ...verdict, faults }
}

/**
 * Waits until a controller has looked at the cluster since now: where none was there, the status still says what was before. It
 * puts an object back that we take away.
 */
async function looked({ stage, selector }: Trial): Promise<void> {
  const budgets = async (): Promise<ReadonlyMap<string, string>> => {
    const text = await stage.kubectl('get', 'pdb', '-l', selector, '-o', 'json')
    const { items } = JSON.parse(text) as { readonly items: readonly { readonly metadata: Named }[] }
    return new Map(items.map(({ metadata }) => [metadata.name, metadata.uid]))
  }
  const [name = '', uid = ''] = [...(await budgets())][0] ?? []
  await stage.kubectl('delete', 'pdb', name)
  await until('a look of the controller', PATIENCE_MS, async () => {
    const now = (await budgets()).get(name)
    return now !== undefined && now !== uid ? true : undefined
  })
}

/** What servers said; where all of them lost their memory, epochs begin again, and what was said before counts no more. */
function claimsOf({ watch, allowance, faultAt, tags }: Trial): readonly Claim[] {
  return watch.claims().filter(({ at }) => allowance.emptied.length < tags.length || at > faultAt)
}

/** Waits until the labels say what the status says: one primary for each shard. */
async function labelled(trial: Trial): Promise<void> {
  const primaries = (await trial.shards()).map(({ primary }) => primary).toSorted()
  await until(`the labels of ${primaries.join(', ')}`, PATIENCE_MS, async () => {
    const labels = trial.watch.pods().filter(({ role }) => role === 'primary')
    return isDeepStrictEqual(labels.map(({ name }) => name).toSorted(), primaries) || undefined
  })
}

/** Waits until every server believes of every other what that says of itself: who takes a replica for a primary denies it its vote. */
async function believed(trial: Trial): Promise<void> {
  const what = (row: NodeRow): string => `${row.role} of ${row.role === 'replica' ? (row.primaryId ?? '') : 'itself'}`
  await until('views that agree', PATIENCE_MS, async () => {
    const views = await Promise.all(
      trial
        .podNames()
        .map((pod) => trial.control(pod, async (client) => parseClusterNodes(String(await client.cluster('NODES'))))),
    )
    const own = new Map(
      views.flatMap((rows) => rows.filter(({ myself }) => myself)).map((row) => [row.nodeId, what(row)]),
    )
    const others = views.flatMap((rows) => rows.filter(({ nodeId }) => own.has(nodeId)))
    const wrong = others.filter((row) => own.get(row.nodeId) !== what(row))
    if (wrong.length === 0 && others.length === views.length ** 2) return true
    throw new Error(
      wrong.map((row) => `${row.nodeId} is said to be ${what(row)}, and is ${own.get(row.nodeId)}`).join('; '),
    )
  })
}

/** Waits until every event of the cluster has been heard; gives the status that they are to lead to. */
async function allTold(trial: Trial): Promise<SeenStatus['status']> {
  return until('the end of the story', PATIENCE_MS, async () => {
    const status = (await trial.stage.read(trial.name)).status as SeenStatus['status'] | undefined
    const last = trial.told().at(-1)?.event
    return last?.life === status?.lifecycle?.life && last?.sequence === status?.lifecycle?.seq ? status : undefined
  })
}

/**
 * A status tells before it hurts twice: when two calls in a row failed in a shard, Ready had gone by then; and Degraded
 * named a shard that was attacked.
 */
function honestyFaults({ watch, writer, faultAt, honest, attacked, allShards }: Trial): readonly string[] {
  if (!honest) return []
  const after = watch.statuses().filter(({ at }) => at > faultAt)
  return allShards.flatMap((shard) => {
    const hurtAt = secondFailureAt(writer.entries(), shard, faultAt)
    if (hurtAt === undefined) return []
    const saidAt = after.find(({ status }) => conditionStatus(status, 'Ready') !== 'True')?.at ?? Infinity
    const named = after.some(({ status }) =>
      status.conditions?.some(
        (one) => one.type === 'Degraded' && one.status === 'True' && one.message.includes(`shard ${shard}`),
      ),
    )
    return [
      ...(saidAt <= hurtAt
        ? []
        : [`two writes in a row to shard ${shard} failed before the status said that it is not Ready`]),
      ...(named || !attacked.has(shard) ? [] : [`writes to shard ${shard} failed, and Degraded never named it`]),
    ]
  })
}

/** Pods and primaries that nobody attacked stay as they are. */
function bystanderFaults(trial: Trial): readonly string[] {
  const pods = trial.watch.disturbed().filter((pod) => !trial.expected.has(pod))
  const moved = trial
    .told()
    .filter(({ event }) => event.type === 'PrimaryChanged' && event.sequence > trial.toldBefore)
    .map(({ event }) => event.cloudEvent.data)
    .filter(({ shard }) => !trial.attacked.has(Number(shard)))
  return [
    ...pods.map((pod) => `${pod} was restarted or made anew, and nobody had attacked it`),
    ...moved.map(({ message }) => `nobody had attacked that shard: ${String(message)}`),
  ]
}

async function commandFaults(trial: Trial): Promise<readonly string[]> {
  const counts = await Promise.all(
    trial.watch.pods().map(async ({ name }) => ({ name, calls: await commandsOf(trial, name) })),
  )
  return counts.flatMap(({ name, calls }) =>
    NEVER.filter((command) => (calls.get(command) ?? 0) > 0 && !trial.ownCommands.has(command)).map(
      (command) => `${name} was sent ${command}`,
    ),
  )
}

/** How often each command was called on a pod's server since it started, by its name in lower case. */
export async function commandsOf(trial: Trial, pod: string): Promise<ReadonlyMap<string, number>> {
  const text = await trial.control(pod, (client) => client.info('commandstats'))
  return new Map(
    Array.from(text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm), ([, name = '', calls]) => [name, Number(calls)]),
  )
}
