import { GROUP, VERSION } from '@slotkeeper/api'
import type { Controller, Key } from '@slotkeeper/controller'
import type { ClusterEvent, ClusterStatus } from '@slotkeeper/events'
import type { Kube, Objects } from '@slotkeeper/k8s'
import { NodePool } from '@slotkeeper/redis-client'
import { allows } from '@slotkeeper/redis-topology'
import type { RedisClusterSpec } from '@slotkeeper/api'
import { act } from './act.ts'
import { type CachedPod, type Caches, startCaches } from './caches.ts'
import { type AppCommand, decide, type DecideSettings } from './decide.ts'
import { type Access, type Observed, observe } from './observe.ts'
import { OpenSlotsMemory } from './open-slots.ts'

/** How often every server is asked for a sign of life, in milliseconds. */
const SIGN_OF_LIFE_MS = 1_000

/** What the controller is joined with. */
export type ControllerPorts = {
  readonly kube: Kube
  readonly objects: Objects
  readonly namespaces: readonly string[]
  readonly settings: DecideSettings
  readonly onProblem: (error: unknown) => void
  readonly onAccess: (namespace: string, allowed: boolean) => void
}

/** The controller of RedisCluster: four functions on one set of caches and connections. */
export function clusterController(
  ports: ControllerPorts,
): Controller<RedisClusterSpec, ClusterStatus, Observed, AppCommand, ClusterEvent> {
  const { kube, objects, namespaces, settings, onProblem, onAccess } = ports
  const access = new Map<string, Access>()
  const asked = new Map<string, number>()
  const openSlots = new OpenSlotsMemory()
  let caches: Caches | undefined
  let wakeUp: (key: Key) => void = () => undefined
  // A closed or silent connection is a wake-up, never evidence (SAFETY 3).
  const pool = new NodePool((podUid) => {
    const pod: CachedPod | undefined = caches?.pods.list().find((one) => one.uid === podUid)
    if (pod !== undefined) wakeUp({ namespace: pod.namespace, name: pod.cluster })
  })
  return {
    kind: { group: GROUP, version: VERSION, plural: 'redisclusters' },
    wakes(wake, signal) {
      wakeUp = wake
      caches = startCaches({ kube, namespaces, wake, onProblem, onAccess }, signal)
      pool.heed(SIGN_OF_LIFE_MS, signal)
      signal.addEventListener('abort', () => pool.close(), { once: true })
    },
    async observe(object, io) {
      if (caches === undefined) throw new Error('observed before the watches were started')
      await caches.synced(io.signal, object.metadata.namespace)
      const living = new Set(caches.pods.list().map((pod) => pod.uid))
      pool.keepOnly((podUid) => living.has(podUid))
      return observe({ caches, objects, pool, access, openSlots }, object, io)
    },
    decide: (input) => decide(input, settings),
    ends: (command) => (command.type !== 'RemoveFinalizer' ? 'No' : command.anyway === true ? 'Anyway' : 'WhenSpilled'),
    allows: (state, command) => allows(state, command.type),
    act: (command, io) =>
      act(
        { objects, pool, access, asked, openSlots, wrote: (cluster, object) => caches?.wrote(cluster, object) },
        command,
        io,
      ),
  }
}
