import type { NodeRow } from './cluster-nodes.ts'
import type { Case } from './diagnose.ts'
import type { ClusterFinding } from './finding.ts'
import { formatRanges } from './slots.ts'

/**
 * Nodes that somebody introduced to the cluster (SAFETY 10): they live, for a server has a link to them, and are neither
 * a member now, nor remembered as one, nor at the address of one of our pods. By id, as one of the views lists them.
 */
export function foreignNodes({ snapshot, picture, history }: Omit<Case, 'desired'>): ReadonlyMap<string, NodeRow> {
  const ours = new Set([...picture.up.map((one) => one.contact.view.nodeId), ...Object.values(history.nodes)])
  const addresses = new Set(snapshot.members.map((one) => one.kube?.ip))
  const foreign = new Map<string, NodeRow>()
  for (const { contact } of picture.up) {
    for (const row of contact.view.rows) {
      const lives = row.connected && !row.flags.includes('handshake') && !row.flags.includes('noaddr')
      if (lives && !ours.has(row.nodeId) && !addresses.has(row.address)) foreign.set(row.nodeId, row)
    }
  }
  return foreign
}

/** What is said of them. One that has taken slots can't just be forgotten: its data is a person's business. */
export function foreignFindings(given: Omit<Case, 'desired'>): readonly ClusterFinding[] {
  return [...foreignNodes(given)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([id, { address, slots }]): readonly ClusterFinding[] => {
      const who = `node ${id.slice(0, 8)} at ${address} is none of this cluster's`
      if (slots.length === 0) return [{ type: 'ForeignNode', about: id, message: `${who}: it is forgotten` }]
      const message = `${who} and owns its slots ${formatRanges(slots).slice(0, 100)}: stop it, or move them back with redis-cli --cluster reshard`
      return [
        { type: 'ForeignNode', about: id, message },
        { type: 'Blocked', reason: 'HistoryDisputed', about: id, message },
      ]
    })
}
