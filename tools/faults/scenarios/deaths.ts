import type { Scenario } from '../scenario.ts'
import type { Trial } from '../trial.ts'
import { seenWhole } from './seen-whole.ts'

/** Sends SIGKILL to all these at once, and waits until Kubernetes has started them again. */
async function crash(trial: Trial, shards: readonly number[], pods: readonly string[]): Promise<void> {
  await trial.fault({ shards, pods }, () => Promise.all(pods.map((pod) => trial.signal(pod, 'SIGKILL'))))
  await trial.disturbs(pods)
}

/** Processes that end, one or many. */
export const deaths: readonly Scenario[] = [
  {
    name: 'primary-killed',
    proves: 'F2: SIGKILL of a primary; its replica takes over with all that was confirmed',
    persistence: ['none', 'rdb', 'aof'],
    sample: ['none'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await crash(trial, [shard], [primary])
    },
  },
  {
    name: 'primary-killed-unattended',
    proves:
      'SAFETY 1: the same without the controller; the primary is back before any election, and must not empty its replica',
    persistence: ['none', 'rdb', 'aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await trial.unattended()
      await crash(trial, [shard], [primary])
      await trial.writesGoOn(20, [shard])
    },
  },
  {
    name: 'primary-terminated',
    proves: 'F2: SIGTERM of a primary',
    persistence: ['none', 'rdb', 'aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await trial.fault({ shards: [shard], pods: [primary] }, () => trial.signal(primary, 'SIGTERM'))
      await trial.disturbs([primary])
    },
  },
  {
    name: 'primary-paused',
    proves:
      'F2, F25: SIGSTOP of a primary until another has taken over, then SIGCONT; it follows and overwrites nothing',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await trial.fault({ shards: [shard] }, () => trial.signal(primary, 'SIGSTOP'))
      await trial.moved(shard, primary)
      await trial.writesGoOn(20, [shard])
      await trial.signal(primary, 'SIGCONT')
    },
  },
  {
    name: 'primary-killed-beside-new-replica',
    proves:
      'SAFETY 5: SIGKILL of a primary whose only replica has just been made anew; nobody without data is promoted',
    persistence: ['aof'],
    run: async (trial) => {
      const { shard, primary, replicas } = await trial.anyShard()
      await seenWhole(trial, [primary])
      await trial.fault({ shards: [shard], pods: [primary, ...replicas] }, async () => {
        for (const replica of replicas)
          await trial.stage.kubectl('delete', 'pod', replica, '--force', '--grace-period=0')
        await trial.disturbs(replicas)
        await trial.signal(primary, 'SIGKILL')
      })
      await trial.disturbs([primary])
    },
  },
  {
    name: 'replicas-killed',
    proves:
      'F9: all replicas die together; writes go on, no primary moves; healed, one of them takes over from its primary',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      const replicas = (await trial.shards()).flatMap((one) => one.replicas)
      await crash(trial, [], replicas)
      await trial.stage.healthy(trial.name)
      const { shard, primary } = await trial.anyShard()
      await crash(trial, [shard], [primary])
    },
  },
  {
    name: 'shard-killed',
    proves: 'F10: primary and replica of a shard die together; the majority lives, the others go on',
    persistence: ['aof'],
    run: async (trial) => {
      const { shard, primary, replicas } = await trial.anyShard()
      await seenWhole(trial, [primary])
      await crash(trial, [shard], [primary, ...replicas])
    },
  },
  {
    name: 'majority-killed',
    proves: 'F11: two of three primaries die at once, and with them the votes; kubelet proves each death',
    persistence: ['none', 'rdb', 'aof'],
    run: async (trial) => {
      const most = trial.random.shuffle(await trial.shards()).slice(0, Math.floor(trial.allShards.length / 2) + 1)
      await crash(
        trial,
        most.map(({ shard }) => shard),
        most.map(({ primary }) => primary),
      )
    },
  },
  {
    name: 'primaries-killed',
    proves: 'F11: all primaries die at once',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      await crash(
        trial,
        trial.allShards,
        (await trial.shards()).map(({ primary }) => primary),
      )
    },
  },
  {
    name: 'all-killed',
    proves: 'F6: every server dies at once, as when the power fails',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      if (trial.persistence === 'none') trial.allowance = { unconfirmed: true, emptied: trial.allShards }
      const primaries = (await trial.shards()).map(({ primary }) => primary)
      await seenWhole(trial, primaries)
      await crash(trial, trial.allShards, trial.podNames())
    },
  },
]
