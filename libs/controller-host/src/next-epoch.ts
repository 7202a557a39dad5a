import { type CallIo, isKubeError } from '@slotkeeper/k8s'
import { type KindList, listKinds, type Realm } from './list-kinds.ts'

/**
 * An epoch above all that were ever written to an object of any kind of the process (DESIGN 3).
 *
 * A namespace that may not be read keeps the others waiting for nothing. Usually it cannot hold more than the Lease's
 * counter, which every holder raises before its first command; but the Lease may have been deleted, or the namespace
 * have been looked after by another installation. So the epoch leaps to the Unix time in seconds: nobody has counted
 * there by one an election, and a leap that was made earlier lies below.
 *
 * @param counter of the Lease
 * @param unreadable told of each kind that may not be read in a namespace
 * @throws KubeError when a list failed for another reason, or nothing may be read at all
 */
export async function nextEpoch(
  realm: Realm,
  counter: number,
  unreadable: (list: Pick<KindList, 'kind' | 'namespace'>) => void,
  io: CallIo,
): Promise<number> {
  const asked = listKinds(realm, io)
  const lists = await Promise.allSettled(asked.map(({ listed }) => listed))
  const epochs = lists.flatMap((list) => (list.status === 'fulfilled' ? list.value.items.map(epochOf) : []))
  const failures = lists.flatMap((list) => (list.status === 'rejected' ? [list.reason as unknown] : []))
  const worse = failures.find((error) => !isKubeError(error, 'Forbidden'))
  if (worse !== undefined) throw worse
  if (failures.length === lists.length) throw failures[0]
  asked.forEach((list, place) => lists[place]?.status === 'rejected' && unreadable(list))
  const leap = failures.length > 0 ? Math.floor(Date.now() / 1_000) : 0
  return 1 + Math.max(counter, leap, ...epochs)
}

function epochOf(item: { readonly [field: string]: unknown }): number {
  const status = item['status'] as { readonly lifecycle?: { readonly epoch?: number } } | undefined
  return Number(status?.lifecycle?.epoch ?? 0)
}
