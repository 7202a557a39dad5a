import { until } from '@slotkeeper/testing'
import type { Scenario } from '../scenario.ts'
import type { Trial } from '../trial.ts'
import { seenWhole } from './seen-whole.ts'

const REFUSED_MS = 60_000

/** Waits until a server that is cut off takes no write any more. */
async function stopsServing(trial: Trial, shard: number, pod: string): Promise<void> {
  await until(`${pod} refuses writes`, REFUSED_MS, () =>
    trial.control(pod, (client) =>
      client.set(`{${trial.tags[shard] ?? ''}}probe`, 'x').then(
        () => undefined,
        (error: Error) => /CLUSTERDOWN|MOVED/.test(error.message) || undefined,
      ),
    ),
  )
}

/** Cuts off the primary of some shard: another takes over, and it stops serving. */
async function isReplaced(trial: Trial, cutOff: (primary: string) => Promise<unknown>): Promise<void> {
  const { shard, primary } = await trial.anyShard()
  await trial.fault({ shards: [shard] }, () => cutOff(primary))
  await trial.moved(shard, primary)
  await stopsServing(trial, shard, primary)
  await trial.writesGoOn(20, [shard])
}

/** Networks that drop or refuse, between chosen pods. */
export const partitions: readonly Scenario[] = [
  {
    name: 'primary-cut-off',
    proves: 'F7, F8, F25: a primary cut off from all others stops serving, is replaced, and follows when it is back',
    persistence: ['none', 'aof'],
    sample: ['aof'],
    run: (trial) =>
      isReplaced(trial, (primary) => trial.isolate([primary], trial.random.pick(['drop', 'reject'] as const))),
  },
  {
    name: 'primary-mute',
    proves: 'F7: what a primary sends is lost, what is sent to it arrives; the others replace it',
    persistence: ['none'],
    run: (trial) => isReplaced(trial, (primary) => trial.isolate([primary], 'drop', 'outward')),
  },
  {
    name: 'majority-cut-off',
    proves: 'SAFETY 2: two of three primaries cut off together go on serving; no takeover on this side',
    persistence: ['none'],
    run: async (trial) => {
      const two = trial.random.shuffle(await trial.shards()).slice(0, 2)
      const mode = trial.random.pick(['drop', 'reject'] as const)
      await trial.fault({}, () =>
        trial.isolate(
          two.map(({ primary }) => primary),
          mode,
        ),
      )
      await trial.stage.stalled(trial.name, 'MajorityUnproven')
    },
  },
  {
    name: 'majority-cut-off-and-forced-away',
    proves:
      'SAFETY 2: the same, their kubelets are silent, and somebody deletes both pods by force; an absent pod proves nothing',
    persistence: ['aof'],
    run: async (trial) => {
      const two = trial.random.shuffle(await trial.shards()).slice(0, 2)
      const pods = two.map(({ primary }) => primary)
      const nodes = [...new Set(pods.map((pod) => trial.pod(pod).node))]
      const { switchboard } = trial.stage.platform
      await seenWhole(trial, pods)
      const shards = two.map(({ shard }) => shard)
      await trial.fault({ shards, pods }, async () => {
        for (const node of nodes) await switchboard.stopKubelet(node)
        await trial.isolate(pods, 'drop')
        await trial.stage.kubectl('delete', 'pods', ...pods, '--force', '--grace-period=0')
      })
      await trial.stage.stalled(trial.name, 'MajorityUnproven')
      await trial.heal()
      for (const node of nodes) await switchboard.startKubelet(node)
      await trial.stage.healthy(trial.name)
      if (trial.count('PrimaryChanged', { cause: 'Takeover' }) > 0) throw new Error('a replica took over without votes')
    },
  },
  {
    name: 'replica-cut-off',
    proves: 'F7: a replica cut off from all others; no primary moves, and it is in sync again afterwards',
    persistence: ['none'],
    run: async (trial) => {
      const { replicas } = await trial.anyShard()
      const mode = trial.random.pick(['drop', 'reject'] as const)
      await trial.fault({}, () => trial.isolate(replicas, mode))
      await trial.sees('ReplicationHealthy is gone', ({ conditions }) =>
        (conditions ?? []).some((one) => one.type === 'ReplicationHealthy' && one.status === 'False'),
      )
    },
  },
  {
    name: 'controller-refused',
    proves: 'SAFETY 3: a proxy refuses the connections of the controller to a primary that serves; nobody is promoted',
    persistence: ['none'],
    run: async (trial) => {
      const { primary } = await trial.anyShard()
      const [controller] = await trial.ground.controller.list()
      await trial.fault({}, () =>
        trial.stage.platform.switchboard.cut(controller?.ip ?? '', trial.pod(primary).ip, 'reject'),
      )
      await trial.sees('Ready is gone', ({ conditions }) =>
        (conditions ?? []).some((one) => one.type === 'Ready' && one.status === 'False'),
      )
      await trial.writesGoOn(200)
    },
  },
  {
    name: 'controller-cut-off',
    proves: 'SAFETY 2, 3: the controller sees nobody; it calls a person and does nothing',
    persistence: ['none'],
    run: async (trial) => {
      const [controller] = await trial.ground.controller.list()
      const { cut } = trial.stage.platform.switchboard
      await trial.fault({}, () =>
        Promise.all(trial.watch.pods().map(({ ip }) => cut(controller?.ip ?? '', ip, 'drop'))),
      )
      await trial.stage.stalled(trial.name, 'MajorityUnproven')
      await trial.writesGoOn(20)
    },
  },
]
