import { rowOf, type Picture } from './assess.ts'
import type { ClusterCommand } from './command.ts'
import type { ClusterFinding } from './finding.ts'
import type { Snapshot, UpMember } from './snapshot.ts'

type Misheard = { readonly viewer: string; readonly replica: UpMember; readonly primary: UpMember }

/**
 * Replicas that another server takes for primaries, with a greater epoch than their own primary has. They were heard of with
 * that epoch first, and all that they say of themselves since is taken for stale (Valkey 9, cluster_legacy.c,
 * clusterProcessPacket): that server would not vote for them, and names them to no client.
 */
function misheard({ up, shards }: Picture): readonly Misheard[] {
  return shards.flatMap(({ primaryPod, primaryId, primaryUp, attached, epoch }) => {
    const primary = up.find((one) => one.pod === primaryPod)
    if (!primaryUp || primary === undefined) return []
    return up
      .filter((one) => attached.includes(one.pod))
      .flatMap((replica) =>
        up
          .filter((viewer) => {
            const row = rowOf(viewer, replica.contact.view.nodeId)
            return row !== undefined && row.primaryId !== primaryId && row.configEpoch > epoch
          })
          .map((viewer) => ({ viewer: viewer.pod, replica, primary })),
      )
  })
}

/** One finding for each replica that some server takes for a primary for ever. */
export function misheardFindings(picture: Picture): readonly ClusterFinding[] {
  const found = misheard(picture)
  return [...new Set(found.map((one) => one.replica))].map(({ pod, shard }) => {
    const viewers = found.filter((one) => one.replica.pod === pod).map((one) => one.viewer)
    const message = `${viewers.join(', ')}: the replica ${pod} of shard ${shard} is taken for a primary there`
    return { type: 'ReplicasMissing', about: `shard ${shard}`, shard, message }
  })
}

/**
 * Gives the primaries of such replicas an epoch above the one that was heard. Only while every shard has a primary that all
 * agree on and that nobody takes for failed: an owner that had been replaced would take its slots back with that epoch.
 */
export function raiseEpochs(picture: Picture, { members }: Snapshot): readonly ClusterCommand[] {
  const settled = picture.viewsAgree && picture.shards.every((shard) => shard.primaryUp)
  if (!settled || picture.up.length < members.length) return []
  const primaries = new Set(misheard(picture).map((one) => one.primary))
  return [...primaries]
    .filter((one) => !isDoubted(one, picture))
    .map((one) => ({ type: 'RaiseEpoch', pod: one.pod, nodeId: one.contact.view.nodeId }))
}

function isDoubted({ kube, contact }: UpMember, { up }: Picture): boolean {
  const fails = (flags: readonly string[]): boolean => flags.some((flag) => flag.startsWith('fail'))
  return kube?.deleting === true || up.some((viewer) => fails(rowOf(viewer, contact.view.nodeId)?.flags ?? []))
}
