import { setTimeout as sleep } from 'node:timers/promises'
import { commandsBetween, readCommands } from '../controller-commands.ts'
import { countRequests, readUsage } from '../controller-metrics.ts'
import { type RestingClusters, restingClusters } from '../resting-clusters.ts'
import type { Context, Figure, Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'

const MINUTE_MS = 60_000
const MANY = 10

/** A minute in which nothing happens, with one cluster and with ten. */
export const idle: Scenario = {
  name: 'idle',
  title: 'The controller at rest, for a minute',
  method:
    'On the local platform the controller is left alone for 60 s: with one cluster of 3 + 3, and with nine of ' +
    'three primaries more; each time after all are Healthy, their outboxes are empty and two quiet seconds have passed. ' +
    "Memory at the end of the minute and CPU are the process's own metrics (`process_resident_memory_bytes`, " +
    '`process_cpu_seconds_total`); requests are counted by the API server through FlowSchemas of the service account ' +
    '(`apiserver_flowcontrol_dispatched_requests_total`), renewals of the Lease and re-opened watches among them; writes ' +
    "are those of them that are not reads, the Lease's not counted. Redis commands are what the servers count of the " +
    "controller's connections (`tot-cmds` of CLIENT LIST), all servers together.",
  runs: 1,
  run: async (context) => {
    const { signal } = context
    const stage = await context.stage()
    await countRequests(stage, signal)
    const clusters = restingClusters(stage, 'idle', signal)
    try {
      await clusters.grow(1)
      const one = await minutes('one cluster', stage, clusters, context, TARGETS)
      await clusters.grow(MANY)
      return [...one, ...(await minutes(`${MANY} clusters`, stage, clusters, context))]
    } finally {
      await clusters.end()
    }
  },
}

type Cost = {
  readonly memory: number
  readonly cpu: number
  readonly requests: number
  readonly writes: number
  readonly commands: number
}
const TARGETS: Partial<Cost> = { memory: 130, cpu: 100, requests: 8, writes: 0 }

async function minutes(
  what: string,
  stage: Stage,
  clusters: RestingClusters,
  { runs, signal, say }: Context,
  targets: Partial<Cost> = { writes: 0 },
): Promise<readonly Figure[]> {
  const costs: Cost[] = []
  for (let run = 1; run <= runs; run++) {
    await clusters.atRest()
    await sleep(2_000, undefined, { signal })
    const cost = await minute(stage, clusters.names, signal)
    costs.push(cost)
    const { memory, cpu, requests, writes, commands } = cost
    say(
      `${what}: ${memory.toFixed(0)} MiB, ${cpu.toFixed(0)} ms of CPU, ${requests} requests, ${writes} writes, ` +
        `${commands} Redis commands`,
    )
  }
  const figure = (title: string, unit: Figure['unit'], key: keyof Cost): Figure => ({
    what: `${what}: ${title}`,
    unit,
    ours: costs.map((cost) => cost[key]),
    ...(targets[key] === undefined ? {} : { target: { most: targets[key], of: 'ours' } }),
  })
  return [
    figure('resident memory', 'MiB', 'memory'),
    figure('CPU time', 'ms', 'cpu'),
    figure('requests to the API server', 'requests', 'requests'),
    figure('writes, but for the Lease', 'writes', 'writes'),
    figure('Redis commands', 'commands', 'commands'),
  ]
}

async function minute(stage: Stage, clusters: readonly string[], signal: AbortSignal): Promise<Cost> {
  const sent = await readCommands(stage, clusters, signal)
  const before = await readUsage(stage, signal)
  await sleep(MINUTE_MS, undefined, { signal })
  const after = await readUsage(stage, signal)
  return {
    memory: after.residentBytes / 2 ** 20,
    cpu: (after.cpuSeconds - before.cpuSeconds) * 1000,
    requests: after.requests - before.requests,
    writes: after.writes - before.writes,
    commands: commandsBetween(sent, await readCommands(stage, clusters, signal)),
  }
}
