import type { Delivery } from '@slotkeeper/nats'
import { until } from '@slotkeeper/testing'
import { follow, healthy, readCluster, storyFaults } from '../../demo/tour.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { applyCluster, deleteCluster } from '../staged-clusters.ts'

const SPEC = { version: 'valkey-9.1', shards: 3, replicasPerShard: 1 }

type Arrival = { readonly delivery: Delivery; readonly at: number }

/** How long an event takes from the commit of its state to those who listen. */
export const eventLatency: Scenario = {
  name: 'event-latency',
  title: 'From the commit of a state to its event in the stream',
  method:
    'On the local platform clusters of 3 + 3 are created, lose each of their primaries to a SIGKILL, and are deleted. ' +
    'The clock starts at the `time` of the event, which is when the decision was made, just before the status write ' +
    'that commits both: so that write, a request to the API server, is within the interval, and it is longer than from ' +
    'the commit. Stored: the timestamp that JetStream gave the message (`sync_interval: always`). Received: a subscriber ' +
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
    const since = ({ delivery }: Arrival): number => Date.parse(delivery.event.cloudEvent.time)
    return [
      {
        what: 'decided -> stored in the stream',
        unit: 'ms',
        ours: arrivals.map((one) => one.delivery.storedAt - since(one)),
        target: { most: 50, of: 'ours' },
        at: 'p99',
      },
      {
        what: 'decided -> received by a subscriber',
        unit: 'ms',
        ours: arrivals.map((one) => one.at - since(one)),
        at: 'p99',
      },
    ]
  },
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
