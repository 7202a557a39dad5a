import { redisRestores } from '@slotkeeper/k8s'
import { littleCluster } from '../../promises/stage.ts'
import type { Origin, Persistence, Scenario, Shape } from '../scenario.ts'
import type { Ground, Heritage } from '../trial.ts'
import { deaths } from './deaths.ts'
import { deletions } from './deletions.ts'
import { nodes } from './nodes.ts'

/** Keys that are written after the backup was taken: a restore in place gives them up. */
const LATER = 50

/** Restores the backup, and waits until all was seen to be there. */
async function restored({ backup }: Ground, name: string, target: object): Promise<Heritage> {
  const source = await backup()
  const { backups, keys } = source
  await backups.restore(name, { backup: { name: source.name } }, { cluster: { name }, ...target })
  await backups.inState(redisRestores, name, 'Completed')
  return {
    missing: async () => {
      const found = await backups.count(name, keys + LATER)
      return found === keys ? [] : [`of ${keys} keys of the backup, and ${LATER} given up for them, ${found} are there`]
    },
  }
}

const intoNew: Origin = (ground, name, spec) => restored(ground, name, { template: littleCluster(spec) })

const inPlace: Origin = async (ground, name, spec) => {
  const { stage } = ground
  const { backups, keys } = await ground.backup()
  await stage.create(name, spec)
  const { metadata } = await stage.healthy(name)
  await backups.fill(name, LATER, keys)
  return restored(ground, name, { inPlace: { confirm: metadata.uid } })
}

type Restore = { readonly how: string; readonly shape: Shape }

const RESTORES = {
  'restored-into-fewer': { how: 'a restore has made, of a backup of more shards', shape: { origin: intoNew } },
  'restored-into-more': {
    how: 'a restore has made, of a backup of fewer shards',
    shape: { origin: intoNew, shards: 5 },
  },
  'restored-in-place': { how: 'has given up its data for that of another one', shape: { origin: inPlace } },
} as const satisfies Readonly<Record<string, Restore>>

/** What is broken, on a cluster of which restore, with which persistence. */
const AGAIN: readonly (readonly [fault: string, after: keyof typeof RESTORES, persistence: readonly Persistence[]])[] =
  [
    ['primary-killed', 'restored-into-fewer', ['rdb', 'aof']],
    ['majority-killed', 'restored-into-fewer', ['rdb']],
    ['all-deleted', 'restored-into-fewer', ['aof']],
    ['node-drained', 'restored-into-fewer', ['aof']],
    ['majority-killed', 'restored-into-more', ['aof']],
    ['all-deleted', 'restored-into-more', ['rdb']],
    ['primary-killed', 'restored-in-place', ['rdb', 'aof']],
    ['majority-killed', 'restored-in-place', ['aof']],
    ['all-deleted', 'restored-in-place', ['rdb']],
    ['node-drained', 'restored-in-place', ['aof']],
    ['node-cut-off', 'restored-in-place', ['aof']],
  ]

/** Scenarios of other files, once more on clusters that come out of a restore. */
export const restoredClusters: readonly Scenario[] = AGAIN.map(([fault, after, persistence]) => {
  const scenario = [...deaths, ...deletions, ...nodes].find(({ name }) => name === fault)
  if (scenario === undefined) throw new Error(`there is no scenario ${fault}`)
  const { how, shape } = RESTORES[after]
  return {
    name: `${fault}-${after}`,
    proves: `F38: ${fault} on a cluster that ${how}; every key of the backup is there afterwards`,
    persistence,
    shape: { ...scenario.shape, ...shape },
    run: scenario.run,
  }
})
