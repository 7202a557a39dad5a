import type { Scenario } from '../scenario.ts'

/** Processes and pods that end, one or many. */
export const deaths: readonly Scenario[] = [
  {
    name: 'primary-killed',
    proves: 'F2: SIGKILL of a primary; its replica takes over with all that was confirmed',
    persistence: ['none', 'rdb', 'aof'],
    sample: ['none'],
    run: async (trial) => {
      const { shard, primary } = await trial.shard(trial.random.below(3))
      await trial.fault({ shards: [shard], pods: [primary] }, () => trial.signal(primary, 'SIGKILL'))
      await trial.sees(`${primary} was restarted`, () => trial.watch.disturbed().includes(primary))
    },
  },
  {
    name: 'primary-cut-off',
    proves: 'F7, F25: a primary cut off from all others stops serving, is replaced, and follows when it is back',
    persistence: ['aof'],
    sample: ['aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.shard(trial.random.below(3))
      const mode = trial.random.pick(['drop', 'reject'] as const)
      await trial.fault({ shards: [shard] }, () => trial.isolate([primary], mode))
      await trial.moved(shard, primary)
      await trial.writesGoOn(20, [shard])
    },
  },
  {
    name: 'all-pods-deleted',
    proves: 'F3: every pod is deleted at once, and comes back with another address',
    persistence: ['aof'],
    run: async (trial) => {
      const names = trial.watch.pods().map(({ name }) => name)
      await trial.fault({ shards: [0, 1, 2], pods: names }, () =>
        trial.stage.kubectl('delete', 'pods', ...names, '--wait=true', '--timeout=90s'),
      )
      await trial.sees('all are new', () => names.every((name) => trial.watch.disturbed().includes(name)))
    },
  },
]
