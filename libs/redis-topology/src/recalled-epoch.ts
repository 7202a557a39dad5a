import { ownRow } from './assess.ts'
import type { RecalledEpoch } from './command.ts'
import type { Case } from './diagnose.ts'
import type { UpMember } from './snapshot.ts'

/**
 * The epoch that one of the servers is to begin with where all of them are younger than what the status remembers: without
 * volumes they would count from 1 again, and an epoch that had an owner would get another one. A server that knows nobody
 * takes any epoch (cluster.c, CLUSTER SET-CONFIG-EPOCH); once introduced, the others hear of it, and the next is above it.
 * Undefined where somebody knows as much, or nobody is alone.
 */
export function recalledEpoch({ picture, history }: Pick<Case, 'picture' | 'history'>): RecalledEpoch | undefined {
  const highest = Math.max(0, ...Object.values(history.epochs))
  if (picture.up.some((one) => one.contact.view.currentEpoch >= highest)) return undefined
  const alone = picture.up.find(isAlone)
  if (alone === undefined) return undefined
  return { pod: alone.pod, nodeId: alone.contact.view.nodeId, epoch: highest + 1 }
}

/** Whether a server knows nobody and holds nothing, so that it takes any epoch. */
export function isAlone(one: UpMember): boolean {
  const { rows, keys } = one.contact.view
  return rows.length === 1 && keys === 0 && ownRow(one)?.configEpoch === 0
}
