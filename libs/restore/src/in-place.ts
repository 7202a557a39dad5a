import { type RedisRestoreSpec, volumeName } from '@slotkeeper/api'
import type { Failure } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'
import type { RestoreCase } from './restore-case.ts'

/** Whether the data goes into a cluster that is there, which gives up what it holds. */
export const isInPlace = ({ target }: Pick<RedisRestoreSpec, 'target'>): boolean => target.inPlace !== undefined

/** Whether the cluster of the target's name is made of this restore, or was told to be. */
export const isOurs = ({ target, restore }: Pick<RestoreCase, 'target' | 'restore'>): boolean =>
  target !== null && target.restoredBy === restore.uid

/** Whether nobody has said yet that what the cluster holds may go. */
export const isUnconfirmed = ({ target }: RedisRestoreSpec): boolean =>
  target.inPlace !== undefined && target.inPlace.confirm === undefined

/** What the cluster is now, of which the new data is to be: its spec and shards hold, and it is to stay the same one. */
export function replacedBy({ spec, target }: RestoreCase): Partial<Pick<RestoreStatus, 'spec' | 'replaces'>> {
  if (!isInPlace(spec) || target === null) return {}
  const { bootstrap: _bootstrap, paused: _paused, ...wanted } = target.spec
  const { uid, restoredBy, formedAt = '' } = target
  const volume = volumeName(target.inPlace && restoredBy !== undefined ? { uid: restoredBy, inPlace: true } : undefined)
  return { spec: wanted, replaces: { uid, formedAt, volume, ...(restoredBy === undefined ? {} : { restoredBy }) } }
}

/** Why the cluster that is there can't be given this data; null when nothing speaks against it. To be asked at each look. */
export function inPlaceObstacle(given: RestoreCase, { replaces, spec }: Partial<RestoreStatus>): Failure | null {
  const { target } = given
  const { name } = given.spec.target.cluster
  if (target === null || target.isDeleting || (replaces !== undefined && target.uid !== replaces.uid)) {
    const how = target === null ? 'there is none' : target.isDeleting ? 'it is being deleted' : 'it is another one now'
    const reason = replaces === undefined ? 'ClusterMissing' : 'ClusterGone'
    return { reason, message: `the RedisCluster ${name}, whose data is to be replaced: ${how}` }
  }
  const { confirm } = given.spec.target.inPlace ?? {}
  if (confirm !== undefined && confirm !== target.uid) {
    const message = `spec.target.inPlace.confirm is ${confirm}, and the uid of the RedisCluster ${name} is ${target.uid}: nothing was given up; create another RedisRestore that names it`
    return { reason: 'ConfirmWrong', message }
  }
  if (replaces === undefined) return unfitFor(given)
  if (!isOurs(given) && target.restoredBy !== replaces.restoredBy)
    return { reason: 'ClusterChanged', message: `another restore has replaced the data of ${name} meanwhile` }
  if (target.spec['shards'] !== spec?.['shards'])
    return { reason: 'ClusterChanged', message: `${name} has another number of shards than when this restore began` }
  return null
}

function unfitFor({ target, spec }: RestoreCase): Failure | null {
  const { name } = spec.target.cluster
  if (target?.formedAt === undefined) {
    const message = `the RedisCluster ${name} was never whole: delete it, and restore into a new one`
    return { reason: 'ClusterNotFormed', message }
  }
  const { storage } = target.spec as { readonly storage?: { readonly persistence?: string } }
  if (storage !== undefined && storage.persistence !== 'none') return null
  const message = `the RedisCluster ${name} keeps nothing on volumes, and a restore fills volumes: restore into a new cluster`
  return { reason: 'NoVolume', message }
}

/** What the restore waits for before it touches the cluster; null when nothing is in its way. */
export function rivalOf({ spec, rivals, restore }: RestoreCase): Failure | null {
  if (!isInPlace(spec)) return null
  const isFirst = (one: RestoreCase['rivals'][number]): boolean =>
    one.createdAt < restore.createdAt || (one.createdAt === restore.createdAt && one.uid < restore.uid)
  const rival = rivals.find((one) => !one.isEnded && isFirst(one))
  if (rival === undefined) return null
  const message = `the RedisRestore ${rival.name} is to replace the data of ${spec.target.cluster.name} first: one at a time`
  return { reason: 'RestoreUnderWay', message }
}

/** What will be lost, what stays, and what says that it may be lost. */
export function confirmationInWords(
  { spec, restore }: RestoreCase,
  { replaces, takenAt, keys }: Partial<RestoreStatus>,
): Failure {
  const { name } = spec.target.cluster
  const until = new Date(restore.createdAt + spec.deadlineSeconds * 1_000).toISOString()
  const volumes = spec.target.inPlace?.oldVolumes === 'Delete' ? 'are deleted once this restore is Completed' : 'stay'
  const message = `the RedisCluster ${name} (uid ${replaces?.uid}, formed at ${replaces?.formedAt}) will give up all that it holds, for the ${keys} keys of a backup that was complete at ${takenAt}: what was written after the backup was taken is lost. Its present volumes ${volumes}; Services and passwords stay. Nothing was touched yet. To go on, set spec.target.inPlace.confirm to ${replaces?.uid}, until ${until}`
  return { reason: 'ConfirmationMissing', message }
}
