import { setTimeout as sleep } from 'node:timers/promises'
import { EPOCH_ANNOTATION, leases, redisClusters, startReflector } from '@slotkeeper/k8s'
import { until } from '@slotkeeper/testing'
import { ControllerPods, SYSTEM } from '../../faults/controller-pods.ts'
import { readPasses } from '../controller-metrics.ts'
import { restingClusters } from '../resting-clusters.ts'
import type { Figure, Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'

const CLUSTERS = 10
const PATIENCE_MS = 90_000
/** Writes that are made because of the change come at once. */
const QUIET_MS = 3_000

/** Seconds from the fault, and how often a status was written. */
type Sample = { readonly leads: number; readonly looked: number; readonly written: number }

/** How the process that leads is lost. The second replaces the pod, so that the next SIGKILL is its first. */
const WAYS: readonly { readonly what: string; readonly fault: (controller: ControllerPods) => Promise<unknown> }[] = [
  { what: 'SIGKILL', fault: async (controller) => controller.signal(await controller.leading(), 'SIGKILL') },
  {
    what: 'pod deleted',
    fault: async (controller) => controller.kubectl('delete', 'pod', (await controller.leading()).name, '--wait=false'),
  },
]

/** Another process takes over the lead. */
export const leadChange: Scenario = {
  name: 'lead-change',
  title: `The controller is lost, with ${CLUSTERS} clusters at rest`,
  method:
    'On the local platform, with one cluster of 3 + 3 and nine of three primaries, the one process of the controller gets ' +
    'SIGKILL (kubelet starts it again, and the Lease of 15 s must run out, for nobody gave it back), or its pod is ' +
    'deleted in order (the Lease is given back, another pod must start). Leads: the Lease has another holder and a greater epoch, ' +
    'looked at every 20 ms. Looked: its metrics tell of as many passes as there are clusters. Statuses written: changes of the ' +
    `RedisCluster objects that a watch tells of, until ${QUIET_MS / 1000} s later.`,
  runs: 2,
  run: async ({ runs, signal, say, stage: started }) => {
    const stage = await started()
    const clusters = restingClusters(stage, 'led', signal)
    const samples = WAYS.map((): Sample[] => [])
    try {
      await clusters.grow(CLUSTERS)
      for (let run = 1; run <= runs; run++) {
        for (const [index, { what, fault }] of WAYS.entries()) {
          await clusters.atRest()
          const sample = await change(stage, fault, signal)
          samples[index]?.push(sample)
          const { leads, looked, written } = sample
          say(`${run}/${runs} ${what}: leads ${leads.toFixed(2)}, looked ${looked.toFixed(2)} s, ${written} statuses`)
        }
      }
    } finally {
      await clusters.end()
    }
    return WAYS.flatMap(({ what }, index) => figuresOf(what, samples[index] ?? []))
  },
}

function figuresOf(what: string, samples: readonly Sample[]): readonly Figure[] {
  const most = (value: number) => ({ target: { most: value, of: 'ours' } }) as const
  return [
    { what: `${what}: another process leads`, unit: 's', ours: samples.map(({ leads }) => leads) },
    {
      what: `${what}: it has looked at all clusters`,
      unit: 's',
      ours: samples.map(({ looked }) => looked),
      ...most(15),
    },
    { what: `${what}: statuses written`, unit: 'writes', ours: samples.map(({ written }) => written) },
  ]
}

async function change(
  stage: Stage,
  fault: (controller: ControllerPods) => Promise<unknown>,
  signal: AbortSignal,
): Promise<Sample> {
  const controller = new ControllerPods(stage.platform, stage.objects)
  const statuses = await countStatuses(stage, signal)
  try {
    const before = await leaseOf(stage, signal)
    const start = performance.now()
    const seconds = (): number => (performance.now() - start) / 1000
    await fault(controller)
    const leads = await until(
      'another that leads',
      PATIENCE_MS,
      async () => {
        const { holder, epoch } = await leaseOf(stage, signal)
        return holder !== '' && holder !== before.holder && epoch > before.epoch ? seconds() : undefined
      },
      { everyMs: 20, signal },
    )
    const looked = await until(
      `${CLUSTERS} passes of the new process`,
      PATIENCE_MS,
      async () => ((await readPasses(stage, signal)) >= CLUSTERS ? seconds() : undefined),
      { everyMs: 20, signal },
    )
    await sleep(QUIET_MS, undefined, { signal })
    return { leads, looked, written: statuses.count() }
  } finally {
    await statuses.stop()
  }
}

async function leaseOf({ objects }: Stage, signal: AbortSignal): Promise<{ holder: string; epoch: number }> {
  const key = { namespace: SYSTEM, name: 'slotkeeper-cluster-controller' }
  const lease = await objects.get(leases, key, { signal })
  const { holderIdentity = '' } = (lease?.['spec'] ?? {}) as { readonly holderIdentity?: string }
  return { holder: holderIdentity, epoch: Number(lease?.metadata.annotations?.[EPOCH_ANNOTATION] ?? 0) }
}

/** Counts the changes of clusters from now on. */
async function countStatuses({ kube, namespace }: Stage, signal: AbortSignal) {
  const ending = new AbortController()
  let count = 0
  const reflector = startReflector<string>(
    {
      kube,
      namespaces: [namespace],
      resource: redisClusters,
      project: ({ metadata }) => metadata.resourceVersion ?? '',
      onChange: ({ type }) => void (type === 'modified' && count++),
      onProblem: () => undefined,
    },
    AbortSignal.any([signal, ending.signal]),
  )
  await reflector.synced(signal)
  return {
    count: () => count,
    stop: async () => {
      ending.abort()
      await reflector.stopped
    },
  }
}
