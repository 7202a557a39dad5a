/** A number with its noun: `1 shard`, `3 shards`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
