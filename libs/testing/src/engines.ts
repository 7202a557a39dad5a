import { CATALOGUE } from '@slotkeeper/api'

/** The names of all versions of Redis and Valkey that a cluster can be made of. */
export const ENGINES: readonly string[] = Object.keys(CATALOGUE)
