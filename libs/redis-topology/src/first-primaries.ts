import type { Picture } from './assess.ts'
import { isUp, type UpMember } from './snapshot.ts'

/** Members by the shard that they get the slots of. */
export type FirstPrimaries = ReadonlyMap<number, UpMember>

/**
 * The member of each shard that gets its slots when a cluster is formed, by shard: no machine gets more of the primaries
 * than must be, for Kubernetes may have put the first members of all shards on one, and with it would go the majority that
 * elects. Shards that have a primary already count and are left out; the same picture gives the same choice.
 *
 * Kuhn's algorithm for bipartite matching, over machines that each take one primary, then two, and so on.
 */
export function firstPrimaries({ shards }: Picture): FirstPrimaries {
  const chosen = new Map<number, UpMember>()
  const taken = new Map<string, number>()
  const candidates = new Map<number, readonly UpMember[]>()
  for (const { shard, members, primaryId, primaryPod } of shards) {
    const up = members.filter(isUp)
    const primary = up.find((one) => one.pod === primaryPod)
    if (primary !== undefined) taken.set(hostOf(primary), (taken.get(hostOf(primary)) ?? 0) + 1)
    if (primaryId === undefined && up.length > 0) candidates.set(shard, up)
  }

  /** Finds room for a shard on machines not tried yet, where need be by moving another shard's primary elsewhere. */
  const place = (shard: number, most: number, tried: Set<string>): boolean =>
    (candidates.get(shard) ?? []).some((member) => {
      const host = hostOf(member)
      if (tried.has(host)) return false
      tried.add(host)
      const others = [...chosen].filter(([, one]) => hostOf(one) === host).map(([other]) => other)
      const isFull = (taken.get(host) ?? 0) + others.length >= most
      if (isFull && !others.some((other) => place(other, most, tried))) return false
      chosen.set(shard, member)
      return true
    })

  for (let most = 1; chosen.size < candidates.size; most += 1)
    for (const shard of candidates.keys()) if (!chosen.has(shard)) place(shard, most, new Set())
  return chosen
}

function hostOf({ kube }: UpMember): string {
  return kube?.nodeName ?? ''
}
