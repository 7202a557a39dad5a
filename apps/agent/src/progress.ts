import type { AgentProgress } from '@slotkeeper/backup'

/** How far the shards of a task are. */
export class Progress {
  readonly #shards = new Map<number, AgentProgress['shards'][number]>()

  /**
   * Notes that a shard is begun, perhaps anew.
   *
   * @param ofKeys how many keys are likely to come
   */
  begun(shard: number, ofKeys: number): void {
    this.#shards.set(shard, { shard, bytes: 0, keys: 0, ofKeys, done: false })
  }

  /** Notes how much of a shard has come. */
  reached(shard: number, { bytes, keys }: { readonly bytes: number; readonly keys: number }): void {
    this.#shards.set(shard, { ...this.#shards.get(shard), shard, bytes, keys, done: false })
  }

  /** Notes that a shard is stored and its record written. */
  finished(shard: number): void {
    const so = this.#shards.get(shard) ?? { bytes: 0, keys: 0 }
    this.#shards.set(shard, { ...so, shard, done: true })
  }

  /** As `GET /progress` answers. */
  now(): AgentProgress {
    return { shards: Array.from(this.#shards.values()).toSorted((one, other) => one.shard - other.shard) }
  }
}
