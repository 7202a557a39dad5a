import type { Delivery } from '@slotkeeper/nats'
import { until } from '@slotkeeper/testing'
import { follow, healthy, readCluster, storyFaults } from '../../demo/tour.ts'
import type { Figure, Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { applyCluster, deleteCluster } from '../staged-clusters.ts'

const SPEC = { version: 'valkey-9.1', shards: 3, replicasPerShard: 1 }

type Arrival = { readonly delivery: Delivery; readonly at: number }

/** How long an event takes from the decision that it tells of to those who listen. */
export const eventLatency: Scenario = {
  name: 'event-latency',
  title: 'From a decision to its events in the stream',
  method:
    'On the local platform clusters of 3 + 3 are created, lose each of their primaries to a SIGKILL, and are deleted. ' +
    'The clock starts at the `time` of the event, which is when the decision was made, just before the status write ' +
    'that commits both: so that write, a request to the API server, is within the interval, and it is longer than from ' +
    'the commit. Events of one commit are stored one after the other, each synced to disk: the first shows what a commit ' +
    'costs, the others wait for those before them. Stored: the timestamp that JetStream gave the message (`sync_interval: always`). Received: a subscriber ' +
    'outside the platform has it. One machine, one clock, of millisecond resolution.',
  runs: 3,
  run: async ({ runs, signal, say, stage: startedStage }) => {
    const stage = await startedStage()
    const ending = new AbortController()
    const end = (): void => ending.abort()
    signal.addEventListener('abort', end, { once: true })
    const arrivals: Arrival[] = []
    const names = new Set<string>()
    const reading = await follow(
      stage.platform,
      (delivery) => names.has(delivery.event.name) && arrivals.push({ delivery, at: Date.now() }),
      ending.signal,
    )
    try {
      for (let run = 1; run <= runs; run++) {
        const name = `told-${run}`
        names.add(name)
        await live(stage, name, arrivals, signal)
        say(`${run}/${runs}: ${arrivals.length} events so far`)
      }
    } finally {
      signal.removeEventListener('abort', end)
      end()
      await reading.done
    }
    const faults = storyFaults(arrivals.map(({ delivery }) => delivery))
    if (faults.length > 0) throw new Error(`the story has faults: ${faults.join('; ')}`)
    return figuresOf(arrivals)
  },
}

function figuresOf(arrivals: readonly Arrival[]): readonly Figure[] {
  const decidedAt = ({ delivery }: Arrival): number => Date.parse(delivery.event.cloudEvent.time)
  const storedAfter = (one: Arrival): number => one.delivery.storedAt - decidedAt(one)
  const commits = new Map<string, Arrival>()
  for (const one of arrivals) {
    const { name, cloudEvent } = one.delivery.event
    const commit = `${name} ${cloudEvent.time}`
    if (!commits.has(commit)) commits.set(commit, one)
  }
  const figure = (what: string, ours: readonly number[]): Figure => ({ what, unit: 'ms', ours, at: 'p99' })
  return [
    { ...figure('decided -> stored in the stream', arrivals.map(storedAfter)), target: { most: 50, of: 'ours' } },
    figure('the same, the first event of each commit', [...commits.values()].map(storedAfter)),
    figure(
      'decided -> received by a subscriber',
      arrivals.map((one) => one.at - decidedAt(one)),
    ),
  ]
}

/** The life of one cluster: created, each primary killed, deleted. */
async function live(stage: Stage, name: string, arrivals: readonly Arrival[], signal: AbortSignal): Promise<void> {
  const { platform, namespace } = stage
  try {
    await applyCluster(stage, name, SPEC, signal)
    await healthy(platform, namespace, name)
    for (let shard = 0; shard < SPEC.shards; shard++) {
      const from = arrivals.length
      const victim = (await readCluster(platform, namespace, name)).status?.topology?.[shard]?.primary ?? ''
      await platform.switchboard.killInPod(namespace, victim, 'SIGKILL')
      const changed = (): boolean =>
        arrivals.slice(from).some(({ delivery }) => delivery.event.type === 'PrimaryChanged')
      await until(`another primary than ${victim}`, 60_000, async () => (changed() ? true : undefined), { signal })
      await healthy(platform, namespace, name)
    }
  } finally {
    if (!signal.aborted) await deleteCluster(stage, name, signal)
  }
  const last = (): boolean =>
    arrivals.some(({ delivery }) => delivery.event.name === name && delivery.event.type === 'Deleted')
  await until(`the last event of ${name}`, 30_000, async () => (last() ? true : undefined), { signal })
}
