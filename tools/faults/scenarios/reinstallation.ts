import { join } from 'node:path'
import { until } from '@slotkeeper/testing'
import { withKustomization } from '../../kustomize.ts'
import { root } from '../../workspace.ts'
import { SYSTEM } from '../controller-pods.ts'
import type { Scenario } from '../scenario.ts'
import type { Trial } from '../trial.ts'

const PATIENCE_MS = 120_000
const ELSEWHERE = 'slotkeeper-elsewhere'
const DEPLOYMENT = 'deployment/slotkeeper-cluster-controller'
const NATS = [{ name: 'SLOTKEEPER_NATS_URL', value: `nats://slotkeeper-nats.${SYSTEM}:4222` }]

/** What installs the controller in another namespace; it goes on telling its events to the NATS that is there. */
const overlay = {
  namespace: ELSEWHERE,
  resources: [join(root, 'deploy/base')],
  components: [join(root, 'deploy/components/local')],
  patches: [
    {
      target: { kind: 'Deployment' },
      patch: JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'slotkeeper-cluster-controller' },
        spec: { template: { spec: { containers: [{ name: 'controller', env: NATS }] } } },
      }),
    },
  ],
}

/** Waits until whoever leads then has claimed the cluster. */
async function claimed(trial: Trial, after: number): Promise<void> {
  await until('a greater epoch', PATIENCE_MS, async () => {
    const { lifecycle } = await trial.status()
    return (lifecycle?.epoch ?? 0) > after || undefined
  })
}

/** The controller uninstalled, and installed in another namespace. */
export const reinstallation: readonly Scenario[] = [
  {
    name: 'controller-installed-elsewhere',
    proves:
      'F12: the controller is removed and installed in another namespace; it adopts what runs, with a greater epoch, and heals',
    persistence: ['none'],
    run: async (trial) => {
      trial.honest = false
      const { platform } = trial.stage
      const epoch = (await trial.status()).lifecycle?.epoch ?? 0
      await trial.ground.controller.kubectl('delete', DEPLOYMENT, '--wait=true')
      try {
        await withKustomization(overlay, (folder) => platform.kubectl(['apply', '-k', folder]))
        await platform.kubectl(['label', 'namespace', ELSEWHERE, 'slotkeeper.dev/subscriber=controller', '--overwrite'])
        await platform.kubectl(['-n', ELSEWHERE, 'rollout', 'status', DEPLOYMENT, '--timeout=90s'], {
          deadline: PATIENCE_MS,
        })
        const { shard, primary } = await trial.anyShard()
        await trial.fault({ shards: [shard], pods: [primary] }, () => trial.signal(primary, 'SIGKILL'))
        await trial.disturbs([primary])
        await trial.stage.healthy(trial.name)
        await claimed(trial, epoch)
      } finally {
        await platform.kubectl(['delete', 'namespace', ELSEWHERE, '--ignore-not-found'], { deadline: PATIENCE_MS })
        await platform.kubectl(['apply', '-k', join(root, 'deploy/overlays/local')])
      }
      await trial.ground.controller.scale(1)
    },
  },
]
