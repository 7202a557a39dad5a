import type { Picture } from './assess.ts'
import { isUp, type UpMember } from './snapshot.ts'

/** Members by the shard that they get the slots of. */
export type FirstPrimaries = ReadonlyMap<number, UpMember>

/**
 * The member of each shard that gets its slots when a cluster is formed, by shard: the primaries are spread over machines,
 * for Kubernetes may have put the first members of all shards on one, and with it would go the majority that elects.
 * Shards that have a primary already count and are left out; the same picture gives the same choice.
 */
export function firstPrimaries({ shards }: Picture): FirstPrimaries {
  const load = new Map<string, number>()
  const count = (member: UpMember | undefined): void => {
    const host = member?.kube?.nodeName
    if (host !== undefined) load.set(host, (load.get(host) ?? 0) + 1)
  }
  for (const { members, primaryPod } of shards) count(members.filter(isUp).find((one) => one.pod === primaryPod))
  const chosen = new Map<number, UpMember>()
  for (const { shard, members, primaryId } of shards) {
    if (primaryId !== undefined) continue
    const loadOf = (one: UpMember): number => load.get(one.kube?.nodeName ?? '') ?? 0
    const [first] = members.filter(isUp).toSorted((a, b) => loadOf(a) - loadOf(b) || a.index - b.index)
    if (first === undefined) continue
    chosen.set(shard, first)
    count(first)
  }
  return chosen
}
