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
