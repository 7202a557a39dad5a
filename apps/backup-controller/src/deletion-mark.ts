import { ANNOTATION } from '@slotkeeper/api'
import type { Io } from '@slotkeeper/controller'
import { type KubeObject, type Objects, redisBackups } from '@slotkeeper/k8s'

/** Who of us deletes a backup: a retention policy, or the schedule that made it, for what is no backup. */
export type Deleter = 'expired' | 'discarded'

/**
 * Deletes a backup, and has it say who did: a person may delete it too. The mark counts for that deletion alone, whatever
 * comes between the two calls or of the second: it names the generation of the spec that was seen, and a deletion is the next
 * (apiserver, registry/rest/delete.go, BeforeDelete). Throws what the API server refuses.
 *
 * @param found as it was decided about
 */
export async function deleteMarked(
  objects: Objects,
  found: KubeObject,
  { by, why }: { readonly by: Deleter; readonly why: string },
  io: Io,
): Promise<void> {
  const { namespace = '', name, uid = '', generation = 0 } = found.metadata
  const key = { namespace, name }
  const mark = { metadata: { annotations: { [ANNOTATION[by]]: `${generation}: ${why}` } } }
  await objects.patch(redisBackups, key, mark, { uid }, io)
  await objects.delete(redisBackups, key, { uid }, io)
}

/** PURE: whether the deletion that is under way is the one that was marked, and nobody has changed the spec between. */
export function isDeletedBy(
  by: Deleter,
  { annotations = {}, generation, deletionTimestamp }: Partial<KubeObject['metadata']>,
): boolean {
  const [, seen] = /^(\d+): /.exec(annotations[ANNOTATION[by]] ?? '') ?? []
  return deletionTimestamp !== undefined && seen !== undefined && Number(seen) + 1 === generation
}
