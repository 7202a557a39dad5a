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
  shard: (backup: BackupRef, shard: number): string => `${objectOf.all(backup)}shard-${shard}.rdb`,
} as const
