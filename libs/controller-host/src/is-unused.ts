import type { CallIo } from '@slotkeeper/k8s'
import { listKinds, type Realm } from './list-kinds.ts'

/**
 * Whether there is nothing that a controller could act on: no object of any kind at all.
 *
 * @throws KubeError when one of them could not be read
 */
export async function isUnused(realm: Realm, io: CallIo): Promise<boolean> {
  const lists = await Promise.all(listKinds(realm, io).map(({ listed }) => listed))
  return lists.every(({ items }) => items.length === 0)
}
