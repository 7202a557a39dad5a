import type { RdbRecord } from './rdb-record.ts'
import type { RdbFormat } from './rdb-types.ts'

/** The first nine bytes. */
export type RdbHeader = { readonly format: RdbFormat; readonly version: number }

/** What stands in a file beside the keys. */
export type RdbSection =
  | { readonly kind: 'aux'; readonly name: string; readonly value: Buffer }
  /** A library of functions; its code is in the bytes. */
  | { readonly kind: 'function' }
  /** What a module keeps beside its keys; a server without that module refuses the file. */
  | { readonly kind: 'moduleAux'; readonly module: string }
  | { readonly kind: 'database'; readonly db: number }
  /** Hints: how many keys are to come, and how many of them end. */
  | { readonly kind: 'size'; readonly keys: number; readonly expiring: number }
  | { readonly kind: 'slotSize'; readonly slot: number; readonly keys: number; readonly expiring: number }
  /** Valkey 9: slots were being moved in; what has come of their keys is among the rest. */
  | { readonly kind: 'slotImport' }

/** The end of a file that is whole. */
export type RdbEnd = {
  /** The checksum that the file carries, 16 hex digits; null if the server was told not to (`rdbchecksum no`). */
  readonly said: string | null
  /** The checksum of what was read. */
  readonly computed: string
  /** The size of the file in bytes. */
  readonly size: number
}

/**
 * Is told the parts of a file in order. Nothing is certain before `end`: the checksum comes last.
 *
 * Bytes belong to the header, section or record that was begun last, and come as they arrive, in as many pieces as it
 * takes. All bytes together are the file up to its last nine (the end mark and the checksum).
 */
export type RdbListener = {
  header(header: RdbHeader): void
  /** `offset` is where it begins in the file. */
  section(section: RdbSection, offset: number): void
  /** `record` is filled anew for the next one. */
  record(record: RdbRecord): void
  /** `source`, from `start` to before `end`. It stays as it is for as long as the chunk it came in with is left alone. */
  bytes(source: Buffer, start: number, end: number): void
  end(end: RdbEnd): void
}
