import { busPort, CLIENT_PORT } from '@slotkeeper/api'
import { redisClusters } from '@slotkeeper/k8s'
import { readToolchain, type ServerTools, until } from '@slotkeeper/testing'
import { type ClusterView, isTrue } from '../../demo/tour.ts'
import { runCommand } from '../../local/src/run-command.ts'
import { type BareCluster, createBareCluster, createBarePods, deleteBareCluster, reportRunning } from '../bare-pods.ts'
import { bareNamespace, type ControllerProcess, startControllerProcess } from '../controller-process.ts'
import { formFast } from '../form-fast.ts'
import { type OpenSlots, openSlots } from '../open-slots.ts'
import { type PlainServers, startPlainServers } from '../plain-servers.ts'
import type { Figure, Scenario } from '../scenario.ts'
import { untilWhole } from '../wholeness.ts'

const ENGINE = 'redis-8.0'
const SHARDS = 3
const SHAPE = { shards: SHARDS, servers: 2 * SHARDS }
const SPEC = { version: ENGINE, shards: SHARDS, replicasPerShard: 1 }
const LEFT_OPEN = { slots: 64, keysPerSlot: 400 }
const WITHIN_MS = 90_000

/** Milliseconds from the start of the repair, and from the first key that it moved. */
type Sample = { readonly whole: number; readonly moving: number }
type Round = {
  readonly controller: ControllerProcess
  readonly tools: ServerTools
  readonly cluster: BareCluster
  readonly signal: AbortSignal
}

/** Slots that somebody left half moved. */
export const repair: Scenario = {
  name: 'repair',
  title: 'Repairing slots that were left half moved',
  method:
    `Six servers (redis 8.0) as in the formation above, made a cluster of 3 + 3. Then ${LEFT_OPEN.slots} slots are left as by a mover ` +
    `that died: marked as migrating on one primary and as importing on another, of each slot's ${LEFT_OPEN.keysPerSlot} keys one half here and ` +
    'the other there. They are repaired by `redis-cli --cluster fix` and by the controller, in turns within one run. The clock starts ' +
    'with the command, and with an annotation of the object that wakes the controller (left alone it looks once a minute). ' +
    'The controller first sees for 2 s that nobody is still at it, and lets a replica have each batch before the next; the cli ' +
    'does neither. Done: no server shows a mark, one end has every key and all name it as the owner, looked at every 10 ms. The cli moves the keys back, the controller forward: as many.',
  runs: 3,
  run: async ({ runs, signal, say }) => {
    const tools = (await readToolchain()).servers[ENGINE]
    if (tools === undefined) throw new Error(`no ${ENGINE}. Remedy: make toolchain`)
    const controller = await startControllerProcess(signal)
    const [cli, ours]: [Sample[], Sample[]] = [[], []]
    try {
      for (let run = 1; run <= runs; run++) {
        const cluster = await createBareCluster(controller.objects, `repaired-${run}`, SPEC, signal)
        const round = { controller, tools, cluster, signal }
        cli.push(await withServers(round, byCli))
        ours.push(await withServers(round, byController))
        const told = ({ whole, moving }: Sample): string =>
          `${whole.toFixed(0)} ms, ${moving.toFixed(0)} of them moving`
        say(`${run}/${runs}: cli ${told(cli.at(-1) as Sample)}; ours ${told(ours.at(-1) as Sample)}`)
      }
    } finally {
      await controller.stop()
    }
    const figure = (what: string, value: (sample: Sample) => number): Figure => ({
      what: `${LEFT_OPEN.slots} slots, ${LEFT_OPEN.slots * LEFT_OPEN.keysPerSlot} keys: ${what}`,
      unit: 'ms',
      ours: ours.map(value),
      reference: { name: 'cli', samples: cli.map(value) },
    })
    return [
      figure('repaired', ({ whole }) => whole),
      figure('from the first key that is moved', ({ moving }) => moving),
    ]
  },
}

async function withServers(
  round: Round,
  way: (round: Round, servers: PlainServers) => Promise<Sample>,
): Promise<Sample> {
  const servers = await startPlainServers(round.tools, round.cluster.files, SHAPE.servers, round.signal)
  try {
    return await way(round, servers)
  } finally {
    await servers.stop()
  }
}

async function byCli({ tools, cluster, signal }: Round, servers: PlainServers): Promise<Sample> {
  const options = { shards: SHARDS, busPort: busPort(cluster.uid), signal }
  await formFast(servers.nodes(), servers.hosts, options)
  await untilWhole(servers.look, SHAPE, performance.now(), signal)
  const open = await openSlots(servers.nodes(), servers.look, LEFT_OPEN)
  const args = ['--user', 'slotkeeper', '--cluster', 'fix', `${servers.hosts[0]}:${CLIENT_PORT}`, '--cluster-yes']
  const env = { REDISCLI_AUTH: cluster.files.internal['control-password'] }
  return timed(open, signal, () => runCommand(tools.cli, args, { env, signal, deadline: WITHIN_MS }))
}

async function byController(round: Round, servers: PlainServers): Promise<Sample> {
  const { controller, cluster, signal } = round
  const { objects } = controller
  const key = { namespace: bareNamespace, name: cluster.name }
  const pods = await createBarePods(objects, cluster, SHARDS, signal)
  await Promise.all(pods.map((pod, index) => reportRunning(objects, pod, servers.hosts[index] ?? '', signal)))
  await until(
    `${cluster.name} Ready`,
    WITHIN_MS,
    async () =>
      isTrue((await objects.get(redisClusters, key, { signal })) as unknown as ClusterView, 'Ready') || undefined,
    { signal },
  )
  await untilWhole(servers.look, SHAPE, performance.now(), signal)
  const open = await openSlots(servers.nodes(), servers.look, LEFT_OPEN)
  const wake = { metadata: { annotations: { 'bench.slotkeeper.dev/woken': new Date().toISOString() } } }
  const sample = await timed(open, signal, () =>
    objects.patch(redisClusters, key, wake, { uid: cluster.uid }, { signal }),
  )
  await servers.stop()
  await deleteBareCluster(objects, cluster, pods, signal)
  return sample
}

async function timed({ look }: OpenSlots, signal: AbortSignal, start: () => Promise<unknown>): Promise<Sample> {
  const began = performance.now()
  let movingAt: number | undefined
  const started = start()
  const closedAt = await until(
    'the end of the repair',
    WITHIN_MS,
    async () => {
      const state = await look()
      if (state !== 'open') movingAt ??= performance.now()
      return state === 'closed' ? performance.now() : undefined
    },
    { everyMs: 10, signal },
  )
  await started
  return { whole: closedAt - began, moving: closedAt - (movingAt ?? closedAt) }
}
