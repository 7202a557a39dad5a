import type { AgentProgress } from '@slotkeeper/backup'

/** How far the shards of a task are. */
export class Progress {
  readonly #shards = new Map<number, AgentProgress['shards'][number]>()

  /** Notes how much of a shard has come; it begins anew where it is less than before. */
  reached(shard: number, { bytes, keys }: { readonly bytes: number; readonly keys: number }): void {
    this.#shards.set(shard, { shard, bytes, keys, done: false })
  }

  /** Notes that a shard is stored and its record written. */
  finished(shard: number): void {
    const { bytes = 0, keys = 0 } = this.#shards.get(shard) ?? {}
    this.#shards.set(shard, { shard, bytes, keys, done: true })
  }

  /** As `GET /progress` answers. */
  now(): AgentProgress {
    return { shards: Array.from(this.#shards.values()).toSorted((one, other) => one.shard - other.shard) }
  }
}
