import { secrets } from '@slotkeeper/k8s'
import { until } from '@slotkeeper/testing'
import { commandsOf } from '../conclude.ts'
import type { Scenario } from '../scenario.ts'
import type { Trial } from '../trial.ts'

const PATIENCE_MS = 120_000
/** Commands that change who owns or follows what: after the loss of a memory none of them is due. */
const DATA_COMMANDS =
  /^(flush|del$|cluster\|(meet|addslots|delslots|setslot|failover|forget|replicate|reset|set-config|bump))/

/** How often each pod was sent each of them. */
async function dataCommands(trial: Trial): Promise<string> {
  const counts = await Promise.all(
    trial.podNames().map(async (pod) => {
      const calls = [...(await commandsOf(trial, pod))].filter(([name]) => DATA_COMMANDS.test(name))
      return `${pod}: ${calls
        .map(([name, count]) => `${name} ${count}`)
        .toSorted()
        .join(', ')}`
    }),
  )
  return counts.toSorted().join('\n')
}

/** Removes the status, again when somebody wrote in between, until the controller says that it adopted the cluster. */
async function eraseStatus(trial: Trial): Promise<void> {
  const remove = JSON.stringify([{ op: 'remove', path: '/status' }])
  const adopted = trial.count('Adopted')
  await until('the erasure', PATIENCE_MS, async () => {
    await trial.stage.kubectl('patch', 'rdc', trial.name, '--subresource=status', '--type=json', '-p', remove)
    return true
  })
  await until('the adoption', PATIENCE_MS, async () => trial.count('Adopted') > adopted || undefined)
}

/** Takes NATS away with its volume, and brings it back with nothing. */
async function eraseStream(trial: Trial): Promise<void> {
  const { controller } = trial.ground
  await controller.kubectl('scale', 'statefulset/slotkeeper-nats', '--replicas=0')
  await controller.kubectl('wait', 'pod/slotkeeper-nats-0', '--for=delete', '--timeout=60s')
  await controller.kubectl('delete', 'pvc', 'data-slotkeeper-nats-0', '--timeout=60s')
  await controller.kubectl('scale', 'statefulset/slotkeeper-nats', '--replicas=1')
  await controller.kubectl('rollout', 'status', 'statefulset/slotkeeper-nats', '--timeout=90s')
  await trial.ground.listenAnew()
}

/** Runs with nobody attacked: the same commands were sent to servers before and after. */
async function withoutDataCommand(trial: Trial, run: () => Promise<void>): Promise<void> {
  const before = await dataCommands(trial)
  await trial.fault({}, run)
  await trial.stage.healthy(trial.name)
  const after = await dataCommands(trial)
  if (after !== before) throw new Error(`commands were sent.\nBefore: ${before}\nAfter: ${after}`)
}

/** What Slotkeeper remembers, taken away. */
export const memory: readonly Scenario[] = [
  {
    name: 'status-erased',
    proves: 'R14: the status is erased; the cluster is adopted as it is, without one command to a server',
    persistence: ['none'],
    run: (trial) => withoutDataCommand(trial, () => eraseStatus(trial)),
  },
  {
    name: 'status-erased-unattended',
    proves: 'R14: the same while there is no controller, and a primary dies meanwhile',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await trial.unattended()
      await trial.fault({ shards: [shard], pods: [primary] }, () => trial.signal(primary, 'SIGKILL'))
      await trial.stage.kubectl(
        'patch',
        'rdc',
        trial.name,
        '--subresource=status',
        '--type=json',
        '-p',
        '[{"op":"remove","path":"/status"}]',
      )
      await trial.disturbs([primary])
      await trial.ground.controller.scale(1)
      await until('the adoption', PATIENCE_MS, async () => trial.count('Adopted') > 0 || undefined)
      if (trial.count('ClusterFormed') > 1) throw new Error('it was formed again')
    },
  },
  {
    name: 'stream-erased',
    proves: 'R14: the stream of events is erased with its volume; nothing follows from that, and new events are told',
    persistence: ['none'],
    run: (trial) => withoutDataCommand(trial, () => eraseStream(trial)),
  },
  {
    name: 'status-and-stream-erased',
    proves: 'R14: both are erased',
    persistence: ['none'],
    run: (trial) =>
      withoutDataCommand(trial, async () => {
        await eraseStream(trial)
        await eraseStatus(trial)
      }),
  },
  {
    name: 'secrets-deleted',
    proves:
      'SAFETY 14: both Secrets are deleted; Stalled, nothing is generated, Redis serves on; put back, all is well',
    persistence: ['none'],
    run: async (trial) => {
      const names = [`${trial.name}-internal`, `${trial.name}-auth`]
      const kept = await Promise.all(names.map((name) => trial.stage.find(secrets, name)))
      await trial.fault({}, () => trial.stage.kubectl('delete', 'secret', ...names))
      await trial.stage.stalled(trial.name, 'SecretMissing')
      await trial.writesGoOn(50)
      for (const [index, name] of names.entries()) {
        if ((await trial.stage.find(secrets, name)) !== null) throw new Error(`${name} was generated again`)
        const { resourceVersion: _, uid: __, ...metadata } = kept[index]?.metadata ?? { name }
        await trial.stage.apply({ ...kept[index], apiVersion: 'v1', kind: 'Secret', metadata })
      }
    },
  },
]
