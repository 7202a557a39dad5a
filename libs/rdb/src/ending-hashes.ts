/** Types of hashes of which fields have a time of their own (HEXPIRE). */
const ENDING = ['hash-metadata-pre-ga', 'hash-listpack-ex-pre-ga', 'hash-metadata', 'hash-listpack-ex', 'hash-2']

/**
 * How many keys of a file are hashes of which fields have a time of their own: such a key goes with its last field. One whose
 * fields are all over Valkey leaves out when it loads the file, Redis removes it right after; neither counts it among the keys
 * that expired (Valkey 9, rdb.c, rdbLoadObject; Redis 8, t_hash.c).
 *
 * @param types how many keys there are of each type, by its name
 */
export const endingHashes = (types: Readonly<Record<string, number>>): number =>
  ENDING.reduce((sum, name) => sum + (types[name] ?? 0), 0)
