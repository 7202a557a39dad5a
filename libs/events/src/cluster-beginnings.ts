import { cutPaths } from './bounded-data.ts'
import type { ChangeContext, Step } from './change-context.ts'
import type { ClusterEvent } from './cluster-events.ts'
import type { ClusterStatus, RestoredStatus } from './cluster-status.ts'
import { counted } from './counted.ts'

/** Accepted or Adopted when there was no status; SpecChanged when the spec is another than decided on before. */
export const beginning = (
  before: ClusterStatus | null,
  after: ClusterStatus,
  context: ChangeContext,
): readonly ClusterEvent[] => {
  if (before === null) return [context.adopted ? adopted(after, context.adopted) : accepted(after, context)]
  const { specHash } = after
  if (specHash === undefined || specHash === before.specHash) return []
  const { paths, more } = cutPaths(context.specPaths ?? [])
  const named = paths.length === 0 ? 'The spec changed' : `The spec changed: ${paths.join(', ')}`
  return [{ type: 'SpecChanged', data: { specHash, paths, more, message: more ? `${named} and ${more} more` : named } }]
}

/** VolumesClaimed, before anything is done that follows from it. */
export const volumeClaim = ({ so, after }: Step): readonly ClusterEvent[] => {
  const { claimedVolumes } = after
  const known = so.claimedVolumes
  if (claimedVolumes === undefined || (known?.uid === claimedVolumes.uid && known.how === claimedVolumes.how)) return []
  const { uid, how } = claimedVolumes
  const what = how === 'Adopted' ? 'taken over, with all that is on them' : 'emptied, with all that is on them lost'
  return [{ type: 'VolumesClaimed', data: { uid, how, message: `Volumes of the cluster with uid ${uid} are ${what}` } }]
}

/** ClusterFormed, once in a life. */
export const formation = ({ so, after, context }: Step): readonly ClusterEvent[] => {
  if (so.formedAt !== undefined || after.formedAt === undefined) return []
  const topology = after.topology ?? []
  const shards = topology.filter((shard) => shard.slots !== '').length
  const members = topology.reduce((sum, shard) => sum + Object.keys(shard.nodes).length, 0)
  const durationMs = Math.max(0, Math.round(context.durationMs ?? 0))
  const message = `Formed of ${counted(members, 'member')} in ${counted(shards, 'shard')}`
  return [{ type: 'ClusterFormed', data: { shards, members, durationMs, formedAt: after.formedAt, message } }]
}

/**
 * RestoreBegun, where the records are those of another restore in place than before: what they said is over; RestoreWithdrawn, where
 * they are those of none again.
 */
export const replacement = ({ so, after }: Step): readonly ClusterEvent[] => {
  if (after.restored === undefined) return so.restored === undefined ? [] : [withdrawn(so.restored)]
  if (isSameRestore(so.restored, after.restored)) return []
  if (so.restored !== undefined && isReturn({ so, after })) return [withdrawn(so.restored)]
  const { name: restore, uid, since, former } = after.restored
  const members = (so.topology ?? []).reduce((sum, shard) => sum + Object.keys(shard.nodes).length, 0)
  const stopped = `${counted(members, 'member')} ${members === 1 ? 'is' : 'are'} stopped, their volumes stay`
  const message = `What RedisRestore ${restore} has filled replaces the data: ${stopped}`
  const data = { restore, uid, since, members, ...(former === undefined ? {} : { former }), message }
  return [{ type: 'RestoreBegun', data }]
}

/** Restored, once for each restore in place. */
export const restoration = ({ so, after }: Step): readonly ClusterEvent[] => {
  const { name: restore = '', uid = '', formedAt } = after.restored ?? {}
  if (formedAt === undefined || so.restored?.formedAt !== undefined || isReturn({ so, after })) return []
  const message = `Whole with the data of RedisRestore ${restore}`
  return [{ type: 'Restored', data: { restore, uid, formedAt, message } }]
}

const withdrawn = ({ name: restore, uid, former }: RestoredStatus): ClusterEvent => {
  const message = `What RedisRestore ${restore} has filled is not taken after all: the cluster goes on with what it had`
  return { type: 'RestoreWithdrawn', data: { restore, uid, ...(former === undefined ? {} : { former }), message } }
}

/** Whether its data are those again that it had before a restore in place which has not come about. */
const isReturn = ({ so, after }: Pick<Step, 'so' | 'after'>): boolean => {
  const former = so.restored?.former
  return former !== undefined && after.restored?.former === undefined && isSameRestore(former, after.restored)
}

const isSameRestore = (a: RestoredStatus | undefined, b: RestoredStatus | undefined): boolean =>
  a !== undefined && b !== undefined && a.uid === b.uid && a.name === b.name && a.since === b.since

const accepted = (after: ClusterStatus, { wanted }: ChangeContext): ClusterEvent => {
  const shards = wanted?.shards ?? after.topology?.length ?? 0
  const replicasPerShard = wanted?.replicasPerShard ?? 0
  const version = wanted?.version ?? after.version ?? ''
  const message = `Accepted: ${counted(shards, 'shard')} with ${counted(replicasPerShard, 'replica')} each, version ${version}`
  return {
    type: 'Accepted',
    data: { state: after.state, shards, replicasPerShard, version, specHash: after.specHash ?? '', message },
  }
}

const adopted = (after: ClusterStatus, why: 'StatusMissing' | 'ObjectRecreated'): ClusterEvent => {
  const shards = (after.topology ?? []).filter((shard) => shard.slots !== '').length
  const reason = why === 'StatusMissing' ? 'its status was missing' : 'its object was created again'
  return {
    type: 'Adopted',
    data: {
      why,
      state: after.state,
      shards,
      ...(after.specHash === undefined ? {} : { specHash: after.specHash }),
      ...(after.formedAt === undefined ? {} : { formedAt: after.formedAt }),
      ...(after.restored === undefined ? {} : { restored: after.restored }),
      message: `Adopted as it was found, with ${counted(shards, 'shard')}: ${reason}`,
    },
  }
}
