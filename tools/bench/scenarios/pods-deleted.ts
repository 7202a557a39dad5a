import { LABEL } from '@slotkeeper/api'
import { until } from '@slotkeeper/testing'
import { lossFigures, lossLine } from '../loss-figures.ts'
import type { Scenario } from '../scenario.ts'
import { type Loss, Subject } from '../subject.ts'

const VOLUMES = { size: '100Mi', persistence: 'aof', retain: false }
const PATIENCE_MS = 120_000
const ALL = [0, 1, 2]

/** Milliseconds from the start of `kubectl delete`. */
type Sample = { readonly loss: Loss; readonly running: number; readonly healthy: number }

/** All pods of a cluster at once. */
export const podsDeleted: Scenario = {
  name: 'pods-deleted',
  title: 'All six pods are deleted at once',
  method:
    'On the local platform, a cluster of 3 + 3 (valkey 9.1) with AOF on volumes. The clock starts before `kubectl delete ' +
    'pods` is started for all six, in order (SIGTERM and hooks). Running: a watch shows a running server container in six new pods, with ' +
    'new addresses. Healthy: the object says so, after that. Probe and client as above, on all three shards; the worst counts.',
  runs: 3,
  run: async ({ runs, signal, say, stage: started }) => {
    const stage = await started()
    const subject = await Subject.create(stage, 'pods-deleted', VOLUMES, signal)
    const samples: Sample[] = []
    try {
      for (let run = 1; run <= runs; run++) {
        const sample = await deleteAll(subject)
        samples.push(sample)
        const { loss, running, healthy } = sample
        say(`${run}/${runs}: running ${running.toFixed(0)}, Healthy ${healthy.toFixed(0)} ms; ${lossLine(loss)}`)
      }
    } finally {
      await subject.end()
    }
    const figure = (what: string, value: (sample: Sample) => number) =>
      ({ what, unit: 'ms', ours: samples.map(value) }) as const
    return [
      ...lossFigures(
        'six pods deleted',
        samples.map(({ loss }) => loss),
        8_000,
      ),
      figure('`kubectl delete` -> six new pods running', ({ running }) => running),
      figure('`kubectl delete` -> Healthy', ({ healthy }) => healthy),
      {
        ...figure('new pods running -> Healthy', ({ running, healthy }) => healthy - running),
        target: { most: 3_000, of: 'ours' },
      },
    ]
  },
}

async function deleteAll(subject: Subject): Promise<Sample> {
  const { watch } = subject
  const before = new Set(watch.pods().map(({ uid }) => uid))
  let [start, running, healthy] = [0, 0, Promise.resolve(0)]
  const isNew = (): boolean =>
    watch.pods().length === before.size && watch.pods().every((pod) => pod.running && !before.has(pod.uid))
  const loss = await subject.lose(ALL, async () => {
    start = performance.now()
    await subject.kubectl('delete', 'pods', '-l', `${LABEL.cluster}=${subject.name}`)
    await until('six new pods', PATIENCE_MS, async () => isNew() || undefined, { everyMs: 10 })
    running = performance.now() - start
    healthy = subject.healthy().then(() => performance.now() - start)
  })
  return { loss, running, healthy: await healthy }
}
