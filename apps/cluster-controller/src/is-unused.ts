import { type CallIo, type Objects, redisClusters } from '@slotkeeper/k8s'

/**
 * Whether there is nothing that a controller could act on: no cluster at all.
 *
 * @param namespaces empty: all of them
 * @throws KubeError when one of them could not be read
 */
export async function isUnused(objects: Objects, namespaces: readonly string[], io: CallIo): Promise<boolean> {
  const scopes = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }))
  const lists = await Promise.all(scopes.map((scope) => objects.list(redisClusters, scope, io)))
  return lists.every(({ items }) => items.length === 0)
}
