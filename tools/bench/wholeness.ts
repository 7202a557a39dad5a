import { SLOT_COUNT, type Contact, type NodeView, slotCount } from '@slotkeeper/redis-topology'
import { until } from '@slotkeeper/testing'

/** Reads every server of a cluster once. */
export type LookAtServers = () => Promise<readonly Contact[]>

const UNUSABLE = ['handshake', 'noaddr', 'fail', 'fail?']
const WITHIN_MS = 90_000

/**
 * Waits until the servers themselves say that their cluster is whole: every one is `ok`, knows every other and an owner of
 * every slot, and every replica's link is up. Gives the milliseconds since `start`, a moment of `performance.now()`.
 */
export async function untilWhole(
  look: LookAtServers,
  shape: { readonly shards: number; readonly servers: number },
  start: number,
  signal: AbortSignal,
): Promise<number> {
  return until(
    'a cluster that is whole in the view of every server',
    WITHIN_MS,
    async () => {
      const views = (await look()).flatMap((contact) => (contact.type === 'up' ? [contact.view] : []))
      const whole = views.length === shape.servers && views.every((view) => isOk(view, shape.servers))
      return whole && isReplicated(views, shape) ? performance.now() - start : undefined
    },
    { everyMs: 10, signal },
  )
}

function isOk(view: NodeView, servers: number): boolean {
  return (
    view.clusterOk &&
    view.rows.length === servers &&
    view.rows.every((row) => !row.flags.some((flag) => UNUSABLE.includes(flag))) &&
    slotCount(view.rows.flatMap((row) => row.slots)) === SLOT_COUNT
  )
}

function isReplicated(views: readonly NodeView[], shape: { readonly shards: number; readonly servers: number }) {
  const replicas = views.filter((view) => view.role === 'replica')
  const owners = new Set(views.filter((view) => view.role === 'primary').map((view) => view.nodeId))
  return (
    owners.size === shape.shards &&
    replicas.length === shape.servers - shape.shards &&
    replicas.every((view) => view.linkUp && !view.syncing) &&
    // Every view has the same replicas: clients read them from any server.
    views.every((view) => view.rows.filter((row) => owners.has(row.primaryId ?? '')).length === replicas.length)
  )
}
