import type { Bounds } from './bounds.ts'
import type { Pace } from './pace.ts'
import { StorageError } from './storage-error.ts'

/** A part of an object whose answer has begun. */
export type OpenedPart = {
  readonly chunks: AsyncIterator<Buffer>
  readonly close: () => void
  /** As the server gave it. */
  readonly etag: string
  /** How many come, if nothing breaks. */
  readonly bytes: number
}

/** From byte `at` up to, and not with, `to`; of the object with this etag, where one was seen. */
export type WantedPart = { readonly at: number; readonly to: number; readonly etag: string | undefined }

/** The part as a server is asked for it; undefined for all of an object. */
export const rangeOf = ({ at, to }: WantedPart): string | undefined =>
  at > 0 || Number.isFinite(to) ? `bytes=${at}-${Number.isFinite(to) ? to - 1 : ''}` : undefined

/** How an object is read. */
export type Reading = {
  readonly key: string
  readonly from: number
  readonly to: number
  readonly bounds: Bounds
  readonly pace: Pace
  readonly stallMs: number
  readonly tries: number
  /** Null where the object ends before the part begins. */
  readonly open: (part: WantedPart) => Promise<OpenedPart | null>
  /** What the caller is told of an error. */
  readonly explain: (error: unknown) => unknown
}

/** Reads an object from one byte to another; goes on where it was when the connection breaks. */
export async function* readOn({
  key,
  from,
  to,
  bounds,
  pace,
  stallMs,
  tries,
  open,
  explain,
}: Reading): AsyncGenerator<Buffer> {
  let at = from
  let etag: string | undefined
  let failures = 0
  while (at < to) {
    let opened: OpenedPart | null = null
    try {
      opened = await open({ at, to, etag })
      if (opened === null) return
      etag = opened.etag === '' ? undefined : opened.etag
      const end = at + opened.bytes
      for (;;) {
        const next = await bounds.race(opened.chunks.next(), stallMs)
        if (next.done === true) break
        await pace(next.value.length, bounds)
        at += next.value.length
        failures = 0
        yield next.value
      }
      if (at === end) return
      throw new StorageError('Unreachable', `reading ${key}: the connection ended ${end - at} bytes early`)
    } catch (error) {
      const explained = explain(error)
      failures += 1
      // Before the first answer the client itself has tried often enough.
      const isWorthIt = explained instanceof StorageError && explained.mayPass && opened !== null
      if (!isWorthIt || failures >= tries || bounds.signal.aborted) throw explained
      if (etag === undefined && at > from) throw nameless(key)
    } finally {
      opened?.close()
    }
  }
}

/** What reading ends with when another object of the same name is there by now. */
export const replacedWhileRead = (key: string): StorageError =>
  new StorageError('Refused', `${key} was replaced while it was read`, 'Read it again from the beginning')

const nameless = (key: string): StorageError =>
  new StorageError(
    'Unreachable',
    `reading ${key}: the connection broke, and the server had given no etag by which the same object is known`,
    'Read it again from the beginning; look whether a proxy on the way takes etags out of answers',
  )

/** What reading ends with when the server gives another part than was asked for. */
export const anotherPart = (key: string): StorageError =>
  new StorageError('Refused', `the server gave another part of ${key} than was asked for`)
