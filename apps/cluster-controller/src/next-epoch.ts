import { type CallIo, isKubeError, type Objects, redisClusters } from '@slotkeeper/k8s'

/**
 * An epoch above all that were ever written to an object (DESIGN 3).
 *
 * A namespace that may not be read keeps the others waiting for nothing. Usually it cannot hold more than the Lease's
 * counter, which every holder raises before its first command; but the Lease may have been deleted, or the namespace
 * have been looked after by another installation. So the epoch leaps to the Unix time in seconds: nobody has counted
 * there by one an election, and a leap that was made earlier lies below.
 *
 * @param counter of the Lease
 * @param namespaces empty: all of them
 * @param unreadable told of each namespace that may not be read
 * @throws KubeError when a list failed for another reason, or nothing may be read at all
 */
export async function nextEpoch(
  objects: Objects,
  namespaces: readonly string[],
  counter: number,
  unreadable: (namespace: string) => void,
  io: CallIo,
): Promise<number> {
  // A namespaced installation may list nowhere else.
  const scopes = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }))
  const lists = await Promise.allSettled(scopes.map((scope) => objects.list(redisClusters, scope, io)))
  const epochs = lists.flatMap((list) => (list.status === 'fulfilled' ? list.value.items.map(epochOf) : []))
  const failures = lists.flatMap((list) => (list.status === 'rejected' ? [list.reason as unknown] : []))
  const worse = failures.find((error) => !isKubeError(error, 'Forbidden'))
  if (worse !== undefined) throw worse
  if (failures.length === lists.length) throw failures[0]
  lists.forEach((list, place) => list.status === 'rejected' && unreadable(namespaces[place] ?? ''))
  const leap = failures.length > 0 ? Math.floor(Date.now() / 1_000) : 0
  return 1 + Math.max(counter, leap, ...epochs)
}

function epochOf(item: { readonly [field: string]: unknown }): number {
  const status = item['status'] as { readonly lifecycle?: { readonly epoch?: number } } | undefined
  return Number(status?.lifecycle?.epoch ?? 0)
}
