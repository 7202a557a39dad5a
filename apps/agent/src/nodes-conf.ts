import { formatRanges, type SlotRange } from '@slotkeeper/redis-topology'

/** A primary as it is to come up. */
export type OwnRow = {
  readonly nodeId: string
  readonly slots: readonly SlotRange[]
  /** Its configuration epoch, and the highest of all. */
  readonly epoch: number
  readonly currentEpoch: number
}

/**
 * A table of nodes with one row, that of its own server: of the others no address is known yet (SAFETY 15). It has no
 * address, as that of a server that was never met by another: each learns its own when it starts. And no shard-id, which
 * a server draws for itself; one that was made up has wiped shards.
 */
export function nodesConf({ nodeId, slots, epoch, currentEpoch }: OwnRow): string {
  const ranges = formatRanges(slots).replaceAll(',', ' ')
  const row = [nodeId, ':0@0', 'myself,master', '-', '0', '0', epoch, 'connected', ranges].join(' ').trimEnd()
  return `${row}\nvars currentEpoch ${currentEpoch} lastVoteEpoch 0\n`
}
