import { setTimeout as sleep } from 'node:timers/promises'
import { busPort, CLIENT_PORT } from '@slotkeeper/api'
import { redisClusters } from '@slotkeeper/k8s'
import { readToolchain, type ServerTools, until } from '@slotkeeper/testing'
import { type ClusterView, isTrue } from '../../demo/tour.ts'
import { runCommand } from '../../local/src/run-command.ts'
import { type BareCluster, createBareCluster, createBarePods, deleteBareCluster, reportRunning } from '../bare-pods.ts'
import { bareNamespace, type ControllerProcess, startControllerProcess } from '../controller-process.ts'
import { formFast } from '../form-fast.ts'
import { type PlainServers, startPlainServers } from '../plain-servers.ts'
import type { Context, Figure, Scenario } from '../scenario.ts'
import { untilWhole } from '../wholeness.ts'

const ENGINES = ['valkey-9.1', 'redis-8.0']
const SHARDS = 3
const SHAPE = { shards: SHARDS, servers: 2 * SHARDS }
const WITHIN_MS = 90_000

type Samples = { readonly cli: number[]; readonly floor: number[]; readonly ours: number[]; readonly ready: number[] }
type Round = {
  readonly controller: ControllerProcess
  readonly tools: ServerTools
  readonly cluster: BareCluster
  readonly signal: AbortSignal
}

/** Three primaries and three replicas out of six empty servers. */
export const formation: Scenario = {
  name: 'formation',
  title: 'Forming 3 + 3 out of running servers',
  method:
    'Six servers with the configuration that the controller wrote, each on a loopback address of its own and at least ' +
    '2.5 s old, are made a cluster, from a random moment of a second on, by the cli, by the fastest known sequence of commands (`tools/bench/form-fast.ts`: ' +
    'nothing verified, committed or looked at again) and by the controller, in turns within one run. The controller is ' +
    'the built one, as a process, on a real API server, etcd and NATS; its clock starts when the API server has ' +
    "accepted the report of the last of six running pods, the others' with the first command. Whole: every server says `cluster_state:ok`, knows all others and an " +
    "owner of every slot, and every replica's link is up, looked at every 10 ms.",
  runs: 5,
  run: async (context) => {
    const controller = await startControllerProcess(context.signal)
    try {
      const figures: Figure[] = []
      for (const engine of ENGINES) figures.push(...(await formWith(engine, controller, context)))
      return figures
    } finally {
      await controller.stop()
    }
  },
}

async function formWith(engine: string, controller: ControllerProcess, context: Context): Promise<readonly Figure[]> {
  const { runs, signal, say } = context
  const tools = (await readToolchain()).servers[engine]
  if (tools === undefined) throw new Error(`no ${engine}. Remedy: make toolchain`)
  const samples: Samples = { cli: [], floor: [], ours: [], ready: [] }
  for (let run = 1; run <= runs; run++) {
    const name = `${engine.replaceAll('.', '-')}-${run}`
    const spec = { version: engine, shards: SHARDS, replicasPerShard: 1 }
    const cluster = await createBareCluster(controller.objects, name, spec, signal)
    await oneRound({ controller, tools, cluster, signal }, samples)
    const last = (list: readonly number[]): string => `${list.at(-1)?.toFixed(0)} ms`
    say(`${engine} ${run}/${runs}: cli ${last(samples.cli)}, floor ${last(samples.floor)}, ours ${last(samples.ours)}`)
  }
  return figuresOf(engine, tools, samples)
}

/** Starts the servers of all three ways at once, so that all wait for their age together. */
async function oneRound(round: Round, samples: Samples): Promise<void> {
  const { tools, cluster, signal } = round
  const starts = await Promise.allSettled([0, 1, 2].map(() => startPlainServers(tools, cluster.files, 6, signal)))
  const started = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  try {
    const [first, second, third] = started
    if (first === undefined || second === undefined || third === undefined)
      throw starts.find((one) => one.status === 'rejected')?.reason
    await anyMoment(signal)
    samples.cli.push(await byCli(round, first))
    await first.stop()
    await anyMoment(signal)
    samples.floor.push(await byFloor(round, second))
    await second.stop()
    await anyMoment(signal)
    await byController(round, third, samples)
  } finally {
    await Promise.all(started.map((servers) => servers.stop()))
  }
}

/** Servers do much once a second: without this, each way would always meet the same moment of that second. */
async function anyMoment(signal: AbortSignal): Promise<void> {
  await sleep(Math.random() * 1_000, undefined, { signal })
}

async function byCli({ tools, cluster, signal }: Round, servers: PlainServers): Promise<number> {
  const port = busPort(cluster.uid)
  const addresses = servers.hosts.map((host) => `${host}:${CLIENT_PORT}@${port}`)
  const args = ['--user', 'slotkeeper', '--cluster', 'create', ...addresses, '--cluster-replicas', '1']
  const start = performance.now()
  const whole = untilWhole(servers.look, SHAPE, start, signal)
  const env = { REDISCLI_AUTH: cluster.files.internal['control-password'] }
  const [measured] = await Promise.all([
    whole,
    runCommand(tools.cli, [...args, '--cluster-yes'], { env, signal, deadline: WITHIN_MS }),
  ])
  return measured
}

async function byFloor({ cluster, signal }: Round, servers: PlainServers): Promise<number> {
  const start = performance.now()
  const whole = untilWhole(servers.look, SHAPE, start, signal)
  const options = { shards: SHARDS, busPort: busPort(cluster.uid), signal }
  const [measured] = await Promise.all([whole, formFast(servers.nodes(), servers.hosts, options)])
  return measured
}

async function byController(round: Round, servers: PlainServers, samples: Samples): Promise<void> {
  const { controller, cluster, signal } = round
  const { objects } = controller
  const pods = await createBarePods(objects, cluster, SHARDS, signal)
  await Promise.all(pods.map((pod, index) => reportRunning(objects, pod, servers.hosts[index] ?? '', signal)))
  const start = performance.now()
  const whole = untilWhole(servers.look, SHAPE, start, signal)
  const ready = until(
    `${cluster.name} Ready`,
    WITHIN_MS,
    async () => {
      const found = await objects.get(redisClusters, { namespace: bareNamespace, name: cluster.name }, { signal })
      return found !== null && isTrue(found as unknown as ClusterView, 'Ready') ? performance.now() - start : undefined
    },
    { everyMs: 20, signal },
  )
  const [measured, readyMs] = await Promise.all([whole, ready])
  samples.ours.push(measured)
  samples.ready.push(readyMs)
  await servers.stop()
  await deleteBareCluster(objects, cluster, pods, signal)
}

function figuresOf(engine: string, { version }: ServerTools, samples: Samples): readonly Figure[] {
  const family = engine.split('-')[0] ?? ''
  const title = `${family} ${version}`
  const unit = 'ms'
  return [
    {
      what: `${title}: whole, against \`${family}-cli --cluster create\``,
      unit,
      ours: samples.ours,
      reference: { name: 'cli', samples: samples.cli },
    },
    {
      what: `${title}: whole, against the floor`,
      unit,
      ours: samples.ours,
      reference: { name: 'floor', samples: samples.floor },
      target: { most: 1.3, of: 'ratio' },
    },
    { what: `${title}: the object says Ready`, unit, ours: samples.ready },
  ]
}
