import type { Bounds } from './bounds.ts'
import { SourceFailure } from './source.ts'
import { StorageError } from './storage-error.ts'
import type { StorageFault } from './storage-error.ts'

const faults: Readonly<Record<string, StorageFault>> = {
  ENOENT: 'NotFound',
  EEXIST: 'Exists',
  EACCES: 'Forbidden',
  EPERM: 'Forbidden',
  EROFS: 'Forbidden',
  ENOSPC: 'Full',
  EDQUOT: 'Full',
  EFBIG: 'Full',
  ESTALE: 'Unreachable',
  EHOSTDOWN: 'Unreachable',
  ENOTCONN: 'Unreachable',
  ETIMEDOUT: 'Unreachable',
}

/** The code of an error of the system, or an empty string. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** Two keys that a directory can't keep together. */
export const folderOfAnother = (about: string): StorageError =>
  new StorageError('Refused', `${about}: one key is the folder of another`, 'Choose another name')

/** What a call on a directory ends with. */
export function directoryError(error: unknown, bounds: Bounds, doing: string): unknown {
  if (error instanceof SourceFailure) return error.cause
  if (bounds.signal.aborted) return bounds.end()
  if (error instanceof StorageError) return error
  const code = codeOf(error)
  if (code === '') return error
  if (code === 'EISDIR' || code === 'ENOTDIR' || code === 'ENOTEMPTY') return folderOfAnother(doing)
  return new StorageError(faults[code] ?? 'Refused', `${doing}: ${code}`)
}
