import { type RedisRestoreSpec, volumeName } from '@slotkeeper/api'
import type { Failure } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'
import type { RestoreCase, TargetView } from './restore-case.ts'

/** Whether the data goes into a cluster that is there, which gives up what it holds. */
export const isInPlace = ({ target }: Pick<RedisRestoreSpec, 'target'>): boolean => target.inPlace !== undefined

/** Whether the cluster of the target's name is made of this restore, or was told to be. */
export const isOurs = ({ target, restore }: Pick<RestoreCase, 'target' | 'restore'>): boolean =>
  target !== null && target.restoredBy === restore.uid

/**
 * Whether the cluster was told to take what was restored, and its controller has not begun to: it says of itself that it was formed,
 * and of what. One whose status was lost says nothing, and may have begun.
 */
export const isWithdrawable = ({ target, spec, restore }: RestoreCase): boolean =>
  isInPlace(spec) &&
  isOurs({ target, restore }) &&
  target?.formedAt !== undefined &&
  target.isSwitched !== true &&
  !target.isDeleting

/** Whether the order that this restore gave the cluster stands no more, and was not followed. */
export const isTakenBack = ({ target, restore }: RestoreCase): boolean =>
  target?.orderedBy === restore.uid && target.restoredBy !== restore.uid && target.holds?.uid !== restore.uid

/** Whether nobody has said yet that what the cluster holds may go. */
export const isUnconfirmed = ({ target }: RedisRestoreSpec): boolean =>
  target.inPlace !== undefined && target.inPlace.confirm === undefined

/** What the cluster is now, of which the new data is to be: its spec and shards hold, and it is to stay the same one. */
export function replacedBy({ spec, target }: RestoreCase): Partial<Pick<RestoreStatus, 'spec' | 'replaces'>> {
  if (!isInPlace(spec) || target === null) return {}
  const { bootstrap: _bootstrap, paused: _paused, ...wanted } = target.spec
  const { uid, restoredBy, formedAt = '' } = target
  const volume = heldVolume(target)
  return { spec: wanted, replaces: { uid, formedAt, volume, ...(restoredBy === undefined ? {} : { restoredBy }) } }
}

/** The volume that the servers of a cluster have by now, whatever it was told to take. */
export const heldVolume = ({ holds }: Pick<TargetView, 'holds'>): string =>
  volumeName(holds === undefined ? undefined : { uid: holds.uid, inPlace: true })

/** Why the cluster that is there can't be given this data; null when nothing speaks against it. To be asked at each look. */
export function inPlaceObstacle(given: RestoreCase, status: Partial<RestoreStatus>): Failure | null {
  const { replaces, spec } = status
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
  const overtaken = overtakenBy(given, status)
  if (overtaken !== null) return overtaken
  if (target.spec['shards'] !== spec?.['shards'])
    return { reason: 'ClusterChanged', message: `${name} has another number of shards than when this restore began` }
  return null
}

/** What became of the cluster since it was looked at first: the order was taken back, or another restore had it take other data. */
function overtakenBy(given: RestoreCase, { replaces, clusterUid }: Partial<RestoreStatus>): Failure | null {
  const { target, restore } = given
  if (target === null || isOurs(given)) return null
  const { restoredBy, restoreName, holds } = target
  const { name } = given.spec.target.cluster
  const isOther = ![undefined, holds?.uid, replaces?.restoredBy].includes(restoredBy)
  const goesOn = !isOther && heldVolume(target) === replaces?.volume
  if (goesOn && (clusterUid !== undefined || target.orderedBy === restore.uid)) {
    const message = `the order to ${name} was taken back (spec.bootstrap.restore): it goes on with what it had, and nothing was given up. The new claims (data-0...) stay, delete them if nobody needs them`
    return { reason: 'OrderWithdrawn', message }
  }
  if (goesOn) return null
  const other = isOther ? restoreName : holds?.name
  const who = other === undefined ? 'another restore' : `the RedisRestore ${other}`
  const what = isOther ? 'was told to replace the data' : 'has replaced the data'
  return { reason: 'ClusterChanged', message: `${who} ${what} of ${name} meanwhile` }
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

/**
 * Why a restore that knows nothing of itself is not begun: the cluster has the data of another one in place, which may have come
 * after this one. The consent that still stands there was given before that, and not to lose what that one brought.
 */
export function forgottenOrder({ spec, status, restore, target }: RestoreCase): Failure | null {
  // Nothing is done, not even the finalizer set, before a status says so.
  const isForgotten = (status?.state ?? '') === '' && restore.hasFinalizer
  if (!isForgotten || !isInPlace(spec) || target?.inPlace !== true) return null
  const message = `the status of this restore was lost, and another one has replaced the data of the RedisCluster ${spec.target.cluster.name}, perhaps since: nothing was touched; create another RedisRestore if this backup is wanted still`
  return { reason: 'StatusLost', message }
}

/**
 * Why a consent that stands in a manifest is not taken twice: a RedisRestore of this name has replaced the data before, was
 * deleted, and is applied again, perhaps by nobody's will. All that was written since would be lost.
 */
export function repeatedOrder({ spec, restore, target }: RestoreCase): Failure | null {
  if (!isInPlace(spec) || isUnconfirmed(spec) || target?.inPlace !== true) return null
  if (target.restoreName !== restore.name || target.restoredBy === restore.uid) return null
  const message = `a RedisRestore ${restore.name} has replaced the data of the RedisCluster ${spec.target.cluster.name} already, and its consent (spec.target.inPlace.confirm) holds once: nothing was touched; to restore once more, create one of another name`
  return { reason: 'ConfirmUsed', message }
}

/** What keeps a restore that is deleted, while its order stands and can't be taken back; null where nothing is said against that. */
export function withdrawalRefused({ spec, trouble }: RestoreCase): Failure | null {
  if (trouble === null) return null
  const { name } = spec.target.cluster
  const message = `the order to the RedisCluster ${name} is not taken back, and would be followed though this RedisRestore were gone: ${trouble}. Let the restore controller change it, or set spec.bootstrap.restore of ${name} as it was before`
  return { reason: 'WithdrawalRefused', message }
}

/** A failure after the cluster was told to take the volumes: it is told so, for what fails is not what was ordered. */
export function orderStands({ spec, target }: RestoreCase, { reason, message }: Failure): Failure {
  const { name } = spec.target.cluster
  if (target?.isSwitched === true) return { reason, message }
  const stands = `the RedisCluster ${name} was told to take what was restored, and still does so as soon as it can: what is written to it until then is given up, unless you delete this RedisRestore before, or have another one replace the order`
  return { reason, message: `${stands}. ${message}` }
}

/**
 * The restore that goes before this one into the same cluster; null when there is none. One that waits lets each go first that has
 * begun; of two that have begun, since neither had seen the other, the one that was created first goes on.
 *
 * @param hasBegun whether this one has
 */
export function rivalOf({ spec, rivals, restore }: RestoreCase, hasBegun: boolean): Failure | null {
  if (!isInPlace(spec)) return null
  const isOlder = (one: RestoreCase['rivals'][number]): boolean =>
    one.createdAt < restore.createdAt || (one.createdAt === restore.createdAt && one.uid < restore.uid)
  const rival = rivals.find(
    (one) => !one.isEnded && (hasBegun ? one.hasBegun && isOlder(one) : one.hasBegun || isOlder(one)),
  )
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
