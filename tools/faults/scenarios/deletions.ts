import type { Scenario } from '../scenario.ts'

const GONE = '--timeout=90s'

/** Pods and workloads that somebody deletes. */
export const deletions: readonly Scenario[] = [
  {
    name: 'primary-deleted',
    proves: 'F1: the pod of a primary is deleted; the role moves before it ends, and nothing is lost',
    persistence: ['none', 'rdb', 'aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await trial.fault({ shards: [shard], pods: [primary], loses: false }, () =>
        trial.stage.kubectl('delete', 'pod', primary, GONE),
      )
      await trial.disturbs([primary])
    },
  },
  {
    name: 'primary-forced-away',
    proves: 'F1: the pod of a primary is deleted by force, without its hook and without a last word of kubelet',
    persistence: ['none', 'aof'],
    sample: ['aof'],
    run: async (trial) => {
      const { shard, primary } = await trial.anyShard()
      await trial.fault({ shards: [shard], pods: [primary] }, () =>
        trial.stage.kubectl('delete', 'pod', primary, '--force', '--grace-period=0'),
      )
      await trial.disturbs([primary])
    },
  },
  {
    name: 'primaries-deleted',
    proves:
      'F4, SAFETY 11: the pods of all primaries are deleted at once; they hand over one after the other, and nothing is lost',
    persistence: ['none', 'aof'],
    sample: ['none'],
    run: async (trial) => {
      const primaries = (await trial.shards()).map(({ primary }) => primary)
      await trial.fault({ shards: trial.allShards, pods: primaries, loses: false }, () =>
        trial.stage.kubectl('delete', 'pods', ...primaries, GONE),
      )
      await trial.disturbs(primaries)
    },
  },
  {
    name: 'all-deleted',
    proves: 'F3: every pod is deleted at once, and comes back with another address; without volumes it starts empty',
    persistence: ['none', 'rdb', 'aof'],
    run: async (trial) => {
      const names = trial.podNames()
      if (trial.persistence === 'none') trial.allowance = { unconfirmed: true, emptied: trial.allShards }
      await trial.fault({ shards: trial.allShards, pods: names }, () =>
        trial.stage.kubectl('delete', 'pods', ...names, GONE),
      )
      await trial.disturbs(names)
    },
  },
  {
    name: 'workloads-deleted',
    proves: 'F5: StatefulSets, Services, ConfigMaps and budgets are deleted; they are made anew, and the data is there',
    persistence: ['aof'],
    shape: { retain: true },
    run: async (trial) => {
      const names = trial.podNames()
      await trial.fault({ shards: trial.allShards, pods: names }, () =>
        trial.stage.kubectl(
          'delete',
          'statefulsets,services,configmaps,poddisruptionbudgets',
          '-l',
          trial.selector,
          GONE,
        ),
      )
      await trial.disturbs(names)
    },
  },
  {
    name: 'shard-emptied',
    proves:
      'SAFETY 21, R14: a shard loses its volumes; Stalled, and not started empty before a person gives it up; the others go on',
    persistence: ['aof'],
    run: async (trial) => {
      const { shard, primary, replicas } = await trial.anyShard()
      const pods = [primary, ...replicas]
      trial.allowance = { unconfirmed: true, emptied: [shard] }
      await trial.fault({ shards: [shard], pods }, async () => {
        await trial.stage.kubectl('delete', 'pvc', ...pods.map((pod) => `data-${pod}`), '--wait=false')
        await trial.stage.kubectl('delete', 'pods', ...pods, '--force', '--grace-period=0')
      })
      await trial.stage.stalled(trial.name, 'DataMissing')
      await trial.writesGoOn(
        20,
        trial.allShards.filter((one) => one !== shard),
      )
      await trial.giveUp([shard])
    },
  },
]
