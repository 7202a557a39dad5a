/** Which backup: names may come back, the uid does not. */
export type BackupRef = { readonly namespace: string; readonly name: string; readonly uid: string }

/**
 * The names of a backup's objects in a storage. They lead from the namespace to the backup, so that a storage can be read
 * without Kubernetes, and begin with nothing that a backup of another uid has.
 */
export const objectOf = {
  /** What all objects of the backup begin with. */
  all: ({ namespace, name, uid }: BackupRef): string => `${namespace}/${name}/${uid}/`,
  manifest: (backup: BackupRef): string => `${objectOf.all(backup)}manifest`,
  /**
   * The data of a shard.
   *
   * @param attempt drawn by each process that stores: one that was given up and still lives never touches what another stored
   */
  shard: (backup: BackupRef, shard: number, attempt: string): string =>
    `${objectOf.all(backup)}shard-${shard}-${attempt}.rdb`,
  /** The record beside the data. */
  record: (backup: BackupRef, shard: number, attempt: string): string =>
    `${objectOf.all(backup)}shard-${shard}-${attempt}.json`,
} as const

const ours = /^([^/]+\/){3}(manifest|shard-\d+-[0-9a-f]+\.(rdb|json))$/

/** Whether a key is the name of an object of some backup, or of one that a check of the storage writes. */
export const isNameOfOurs = (key: string): boolean => ours.test(key) || key.startsWith('slotkeeper-check/')

/** Whether a key is the name of a backup's manifest. */
export const isManifestName = (key: string): boolean => ours.test(key) && key.endsWith('/manifest')

/** The object that a record lies beside; null for what names no record of this backup. */
export function objectOfRecord(backup: BackupRef, record: string): string | null {
  const isRecord = record.startsWith(objectOf.all(backup)) && ours.test(record) && record.endsWith('.json')
  return isRecord ? record.replace(/\.json$/, '.rdb') : null
}
