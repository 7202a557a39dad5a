import { StorageError } from './storage-error.ts'

/** Bytes `from` up to, and not with, `to`. */
export type ByteRange = { readonly from: number; readonly to: number }

/** The range that is asked for, all of it when nothing is said; refuses what is none. */
export function byteRange({ from = 0, to = Number.POSITIVE_INFINITY }: Partial<ByteRange>): ByteRange {
  const isRange = Number.isSafeInteger(from) && from >= 0 && (Number.isSafeInteger(to) || to === Infinity) && to >= from
  if (!isRange)
    throw new StorageError('Refused', `${from} to ${to} is no range of bytes`, 'Ask for whole numbers in order')
  return { from, to }
}
