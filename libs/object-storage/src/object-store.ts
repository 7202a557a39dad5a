import type { Limits } from './bounds.ts'

/** What a storage knows of an object. */
export type ObjectFacts = {
  readonly key: string
  readonly bytes: number
  readonly modified: Date
  /** Another one once the object is another; to be compared, not read. */
  readonly etag: string
}

/** What was stored. */
export type StoredObject = {
  readonly key: string
  readonly bytes: number
  /** Of the bytes that were stored, in hex. */
  readonly sha256: string
  readonly etag: string
}

/** How to store. */
export type PutOptions = Limits & {
  /**
   * Never write over an object: `Exists` instead. We look beforehand, and where the server offers a conditional write,
   * it decides between two that come at once.
   */
  readonly ifAbsent?: boolean
  /** The most bytes that may come, where that is known: past some 150 GiB an upload needs larger parts. */
  readonly mostBytes?: number
}

/** Which part to read: bytes `from` up to, and not with, `to`; to the end when not said. Past the end there is nothing. */
export type GetOptions = Limits & { readonly from?: number; readonly to?: number }

/** An upload that somebody began and never ended. */
export type SweptUpload = { readonly key: string; readonly began: Date }

/** Which of the unfinished uploads are taken back: those of these keys, where a storage is shared; all when not said. */
export type SweepOptions = Limits & { readonly only?: (key: string) => boolean }

/** A step of `checkStorage`, and what a user must be allowed to for it. */
export type Permissions = Readonly<Record<'write' | 'read' | 'list' | 'delete' | 'sweep', string>>

/**
 * Where objects are kept. Every call ends by its deadline or its signal at the latest: with the signal's reason, or with
 * a StorageError of a closed kind. An error of a stream that was handed in is passed on as it is.
 *
 * Keys are names separated by slashes: letters, digits and `!_.*'()=@:,+-`, no name beginning with a dot. No key may be
 * the folder of another.
 */
export type ObjectStore = {
  /** For people and logs, without credentials. */
  readonly description: string
  /** What each kind of call needs to be allowed to. */
  readonly permissions: Permissions
  /**
   * Stores a stream of unknown length in constant memory. The object is there whole or not at all: when the stream
   * fails, the call is called off or the storage gives up, what was uploaded is taken back, for which it takes up to
   * 20 s more where the storage hangs.
   */
  put(key: string, chunks: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject>
  /** Reads an object, or a part of it. A connection that breaks is made again, and the same object is read on. */
  get(key: string, options: GetOptions): AsyncIterable<Buffer>
  head(key: string, limits: Limits): Promise<ObjectFacts>
  /** Every object whose key begins so, in the order of the keys' bytes. The deadline holds for all of it. */
  list(prefix: string, limits: Limits): AsyncIterable<ObjectFacts>
  /** Deletes objects; one that is not there is no error. */
  delete(keys: Iterable<string> | AsyncIterable<string>, limits: Limits): Promise<void>
  /**
   * Takes back uploads below a prefix that were begun before a moment and never ended, as a crash leaves them. To be
   * repeated now and then: a part that still arrives can bring an upload back. The moment must lie further back than the
   * longest put takes: uploads that are under way are not known from others.
   */
  sweep(prefix: string, olderThan: Date, options: SweepOptions): Promise<readonly SweptUpload[]>
  /** Closes connections that are kept open. */
  close(): void
}
