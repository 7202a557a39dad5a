import { until } from '@slotkeeper/testing'
import { watchCluster } from '../cluster-watch.ts'
import type { Figure, Scenario } from '../scenario.ts'
import { serversOf } from '../servers-of.ts'
import type { Stage } from '../stage.ts'
import { applyCluster, deleteCluster } from '../staged-clusters.ts'
import { untilWhole } from '../wholeness.ts'

const SHAPE = { shards: 3, servers: 6 }
const STORAGE = { size: '100Mi', persistence: 'aof', retain: false }
const SPEC = { version: 'valkey-9.1', shards: SHAPE.shards, replicasPerShard: 1, storage: STORAGE }

/** Seconds from the start of `kubectl apply`. */
type Sample = { readonly running: number; readonly whole: number; readonly ready: number }

/** A cluster from nothing, as a user sees it. */
export const creation: Scenario = {
  name: 'creation',
  title: 'Creating 3 + 3 with volumes on Kubernetes',
  method:
    'On the local platform (three nodes, real kubelets, Slotkeeper installed by kustomize) clusters of valkey 9.1 with ' +
    'three primaries, three replicas and AOF on volumes are created one after the other; each is deleted with its ' +
    'volumes before the next. The clock starts before `kubectl apply` is started. Pods running: a watch shows a running ' +
    'server container in all six. Fully replicated: the six servers say so themselves (`cluster_state:ok`, all slots, ' +
    'all links up), looked at every 10 ms. Ready: a watch shows the condition of the object.',
  runs: 5,
  run: async (context) => {
    const stage = await context.stage()
    const samples: Sample[] = []
    for (let run = 1; run <= context.runs; run++) {
      const sample = await createOnce(stage, `created-${run}`, context.signal)
      samples.push(sample)
      const { running, whole, ready } = sample
      context.say(
        `${run}/${context.runs}: running ${running.toFixed(2)}, replicated ${whole.toFixed(2)}, Ready ${ready.toFixed(2)} s`,
      )
    }
    return figuresOf(samples)
  },
}

async function createOnce(stage: Stage, name: string, signal: AbortSignal): Promise<Sample> {
  const { kube, namespace } = stage
  const watch = watchCluster(kube, { namespace, name, podCount: SHAPE.servers }, signal)
  const servers = serversOf(stage, name, watch, signal)
  try {
    const start = performance.now()
    await applyCluster(stage, name, SPEC, signal)
    const wholeMs = await untilWhole(servers.look, SHAPE, start, signal)
    const [running, ready] = await until(
      `${name} Ready`,
      60_000,
      async () => {
        const [runningAt, readyAt] = [watch.runningAt(), watch.readyAt()]
        return runningAt === undefined || readyAt === undefined ? undefined : [runningAt - start, readyAt - start]
      },
      { signal },
    )
    return { running: (running ?? 0) / 1000, whole: wholeMs / 1000, ready: (ready ?? 0) / 1000 }
  } finally {
    await servers.close()
    await watch.stop()
    if (!signal.aborted) await deleteCluster(stage, name, signal)
  }
}

function figuresOf(samples: readonly Sample[]): readonly Figure[] {
  const of = (value: (sample: Sample) => number): readonly number[] => samples.map(value)
  const unit = 's'
  return [
    { what: '`kubectl apply` -> all six pods running', unit, ours: of((one) => one.running) },
    {
      what: '`kubectl apply` -> fully replicated',
      unit,
      ours: of((one) => one.whole),
      target: { most: 6, of: 'ours' },
    },
    {
      what: '`kubectl apply` -> the object says Ready',
      unit,
      ours: of((one) => one.ready),
      target: { most: 6.5, of: 'ours' },
    },
    {
      what: 'pods running -> fully replicated',
      unit,
      ours: of((one) => one.whole - one.running),
      target: { most: 2.7, of: 'ours' },
    },
    {
      what: 'pods running -> the object says Ready',
      unit,
      ours: of((one) => one.ready - one.running),
      target: { most: 2.7, of: 'ours' },
    },
  ]
}
