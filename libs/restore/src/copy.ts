import type { RedisBackupSpec, RedisRestoreSpec } from '@slotkeeper/api'
import { type Failure, refusalOfEngine } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'
import { isInPlace } from './in-place.ts'
import type { RestoreCase } from './restore-case.ts'
import { asItIs } from './target-spec.ts'

/** The longest name of a RedisBackup. */
const MOST = 40

/** What the RedisBackup is told that a restore makes of its source; null where it makes none. */
export function copySpec({ source, deadlineSeconds }: RedisRestoreSpec): Partial<RedisBackupSpec> | null {
  const { cluster, server } = source
  if (cluster !== undefined) {
    const { name, storageName, consistency } = cluster
    return { cluster: { name }, storageName, consistency, deadlineSeconds }
  }
  if (server === undefined) return null
  const { storageName, consistency, ...where } = server
  return { server: where, storageName, consistency, deadlineSeconds }
}

/** The RedisBackup that a restore is made of: the one that it names, or its own copy; null where it is made of none. */
export function backupNameOf(
  { source, ...spec }: RedisRestoreSpec,
  { name, uid }: { readonly name: string; readonly uid: string },
): string | null {
  if (source.backup !== undefined) return source.backup.name
  if (copySpec({ source, ...spec }) === null) return null
  // The uid keeps it apart from the copy of an earlier restore of that name.
  const tail = `-${uid.replaceAll('-', '').slice(0, 8)}`
  return `${name.slice(0, MOST - tail.length).replace(/-+$/, '')}${tail}`
}

/** Why a copy will never be whole; null while it may become so, or is. */
export function copyFailure(given: RestoreCase, { copy }: Pick<RestoreStatus, 'copy'>): Failure | null {
  const { backup, restore, spec } = given
  const name = backupNameOf(spec, restore)
  if (backup !== null && backup.madeBy !== restore.uid)
    return { reason: 'NameTaken', message: `there is a RedisBackup ${name} that this restore has not made` }
  const isAnother = copy !== undefined && backup?.uid !== copy.uid
  // A second one would be of another moment, and its source would be read again.
  if (isAnother || backup?.isDeleting === true)
    return { reason: 'BackupMissing', message: `the RedisBackup ${name}, its copy, was deleted before it was used` }
  const misfit = misfitOf(given)
  if (misfit !== null) return misfit
  if (backup?.state !== 'Failed') return null
  const { reason = 'Unexpected', message = reason } = backup
  return { reason, message: `the RedisBackup ${name}: ${message}` }
}

/** What can be known before anything is read: whether the cluster will do, and its servers load what those of the source write. */
function misfitOf({ spec, status, backup }: RestoreCase): Failure | null {
  const known = isInPlace(spec) ? status?.spec : spec.target.template
  if (known === undefined) return null
  const wanted = asItIs(known)
  if ('reason' in wanted) return wanted
  const message = backup?.engine === undefined ? null : refusalOfEngine(backup.engine, wanted.engine)
  return message === null ? null : { reason: 'Incompatible', message }
}

/** What is said of a copy that is not whole yet. */
export function copyInWords({ backup, restore, spec, trouble }: RestoreCase): Partial<Failure> {
  const name = backupNameOf(spec, restore)
  if (backup === null) return trouble === null ? {} : { reason: 'CopyRefused', message: trouble }
  const { reason, message = `it is ${backup.state}` } = backup
  return { ...(reason === undefined ? {} : { reason }), message: `the RedisBackup ${name}: ${message}` }
}
