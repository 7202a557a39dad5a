import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '@slotkeeper/testing'
import { healthy, readCluster } from '../../demo/tour.ts'
import { countRequests, readUsage, type Usage } from '../controller-metrics.ts'
import type { Context, Figure, Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { applyCluster, deleteCluster } from '../staged-clusters.ts'

const MINUTE_MS = 60_000
const VERSION = 'valkey-9.1'
const FIRST = { version: VERSION, shards: 3, replicasPerShard: 1 }
const FURTHER = { version: VERSION, shards: 3, replicasPerShard: 0 }
const FURTHER_COUNT = 4

/** A minute in which nothing happens, with no cluster, one and five. */
export const idle: Scenario = {
  name: 'idle',
  title: 'The controller at rest, for a minute',
  method:
    'On the local platform the controller is left alone for 60 s: with no cluster, with one of 3 + 3, and with four of ' +
    'three primaries more; each time after all are Healthy, their outboxes are empty and two quiet seconds have passed. ' +
    "Memory at the end of the minute and CPU are the process's own metrics (`process_resident_memory_bytes`, " +
    '`process_cpu_seconds_total`); requests are counted by the API server through a FlowSchema of the service account ' +
    '(`apiserver_flowcontrol_dispatched_requests_total`), renewals of the Lease and re-opened watches among them.',
  runs: 1,
  run: async (context) => {
    const { signal } = context
    const stage = await context.stage()
    await countRequests(stage, signal)
    const made: string[] = []
    const create = async (name: string, spec: object): Promise<void> => {
      made.push(name)
      await applyCluster(stage, name, spec, signal)
      await healthy(stage.platform, stage.namespace, name)
    }
    try {
      const figures = [...(await minutes('no cluster', stage, made, context))]
      await create('idle-0', FIRST)
      figures.push(...(await minutes('one cluster', stage, made, context, TARGETS)))
      for (let more = 1; more <= FURTHER_COUNT; more++) await create(`idle-${more}`, FURTHER)
      figures.push(...(await minutes(`${made.length} clusters`, stage, made, context)))
      return figures
    } finally {
      for (const name of made) if (!signal.aborted) await deleteCluster(stage, name, signal)
    }
  },
}

type Cost = { readonly memory: number; readonly cpu: number; readonly requests: number }
const TARGETS: Cost = { memory: 130, cpu: 100, requests: 8 }

async function minutes(
  what: string,
  stage: Stage,
  clusters: readonly string[],
  { runs, signal, say }: Context,
  targets?: Cost,
): Promise<readonly Figure[]> {
  const costs: Cost[] = []
  for (let run = 1; run <= runs; run++) {
    for (const name of clusters) await atRest(stage, name, signal)
    await sleep(2_000, undefined, { signal })
    const before = await readUsage(stage, signal)
    await sleep(MINUTE_MS, undefined, { signal })
    const cost = between(before, await readUsage(stage, signal))
    costs.push(cost)
    say(`${what}: ${cost.memory.toFixed(0)} MiB, ${cost.cpu.toFixed(0)} ms of CPU, ${cost.requests} requests`)
  }
  const figure = (title: string, unit: Figure['unit'], key: keyof Cost): Figure => ({
    what: `${what}: ${title}`,
    unit,
    ours: costs.map((cost) => cost[key]),
    ...(targets === undefined ? {} : { target: { most: targets[key], of: 'ours' } }),
  })
  return [
    figure('resident memory', 'MiB', 'memory'),
    figure('CPU time', 'ms', 'cpu'),
    figure('requests to the API server', 'requests', 'requests'),
  ]
}

async function atRest({ platform, namespace }: Stage, name: string, signal: AbortSignal): Promise<void> {
  await until(
    `an empty outbox of ${name}`,
    60_000,
    async () => {
      const { status } = await readCluster(platform, namespace, name)
      return status?.state === 'Healthy' && status.outbox?.length === 0 ? true : undefined
    },
    { everyMs: 500, signal },
  )
}

function between(before: Usage, after: Usage): Cost {
  return {
    memory: after.residentBytes / 2 ** 20,
    cpu: (after.cpuSeconds - before.cpuSeconds) * 1000,
    requests: after.requests - before.requests,
  }
}
