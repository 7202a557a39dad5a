import { CLIENT_PORT, defined, LABEL } from '@slotkeeper/api'
import type { Io } from '@slotkeeper/controller'
import type { RestoredStatus } from '@slotkeeper/events'
import { configMaps, type Objects } from '@slotkeeper/k8s'
import { type NodePool, observeInboundLinks, observeNode, type RedisNode } from '@slotkeeper/redis-client'
import { type Contact, isUp, type Member, type OpenSlots, type Snapshot } from '@slotkeeper/redis-topology'
import type { CachedPod, Caches, OwnedView } from './caches.ts'
import type { ClusterObject } from './cluster-object.ts'
import { CONTROL_USER, type Credentials, readCredentials } from './credentials.ts'
import { type LaterVolumes, observeLaterVolumes } from './later-volumes.ts'
import { observeOpenSlots, type OpenSlotsMemory } from './open-slots.ts'
import { observeGeneration, type ObservedGeneration } from './observe-generation.ts'
import { nameOf } from './resources/names.ts'
import { liveSettings } from './resources/redis-conf.ts'

/** Everything that was seen of one cluster, as plain data; passwords are not in it. */
export type Observed = {
  readonly snapshot: Snapshot
  readonly owned: Readonly<Record<string, OwnedView>>
  /** The restore in place that the ConfigMap of members names. */
  readonly recordedRestore?: RestoredStatus
  /** Of a cluster with a restore in place: what is there on which volumes. */
  readonly generation?: ObservedGeneration
  /** Volumes that a cluster which has not begun yet would pass by. */
  readonly laterVolumes?: LaterVolumes
  /** `Kind/name` of objects that we wrote and whose cache is older than that. */
  readonly behind: readonly string[]
  readonly secretMissing?: { readonly secret: string; readonly message: string }
  /** Keys that repairs of half moved slots have moved so far. */
  readonly movedKeys?: number
}

/** What observing reaches out to. */
export type ObservePorts = {
  readonly caches: Caches
  readonly objects: Objects
  readonly pool: NodePool
  /** Where `act` finds the way to a pod's server again, by uid of the cluster. */
  readonly access: Map<string, Access>
  readonly openSlots: OpenSlotsMemory
}

/** How to enter the servers of a cluster; `readAt` is monotonic, in ms. */
export type Access = { readonly password: string; readonly readAt: number }

/** Secrets cannot be watched. Below the 60 s between two looks at a healthy cluster, so that each of these reads them. */
const SECRETS_LAST_MS = 50_000

/** How long one server may take to answer, in milliseconds. */
export const NODE_DEADLINE_MS = 500

/** Settings that the controller reads back beside those of the spec. */
const READ_SETTINGS = ['cluster-node-timeout', 'cluster-replica-no-failover']

/** Looks at a cluster: its objects, its pods, and every server at once. The unreachable is a value. */
export async function observe(ports: ObservePorts, object: ClusterObject, io: Io): Promise<Observed> {
  const { namespace, name, uid } = object.metadata
  const owned = ownedBy(ports.caches, namespace, name)
  // What takes a request each is asked for together: every reaction waits for it.
  const record = recordOf(ports, owned, object, io)
  const formed = record.then(({ formedAt }) => (object.status?.formedAt ?? formedAt) !== undefined)
  const read = (): Promise<Credentials> => readAccess(ports, object, formed, io)
  const known = keptAccess(ports, uid)
  const [first, recorded] = await Promise.all([known ?? read(), record, formed])
  const places = placesOf(ports.caches, object)
  const settings = [...READ_SETTINGS, ...Object.keys(liveSettings(object.spec))]
  const ask = (by: Credentials): Promise<readonly Member[]> =>
    Promise.all(places.map((place) => observeMember(ports, place, by, settings)))
  const answers = await ask(first)
  // The password may have been changed since it was read.
  const outdated = known !== undefined && answers.some((member) => member.contact.type === 'denied')
  const credentials = outdated ? await read() : first
  const members = outdated ? await ask(credentials) : answers
  const refused = members.some((member) => member.contact.type === 'refused')
  // After a refusal the others are asked again: what they say of the dead one must be younger than its refusal.
  const settled = refused
    ? await Promise.all(
        members.map((member) => (isUp(member) ? observeMember(ports, member, credentials, settings) : member)),
      )
    : members
  const [inboundLinks, openSlots] = await Promise.all([
    refused ? linksOf(ports, settled, credentials) : {},
    openSlotsOf(ports, settled, credentials, uid),
  ])
  const recordedRestore = restoredIn(recorded)
  const generation = await observeGeneration(ports, object, recordedRestore, io)
  const laterVolumes = await observeLaterVolumes(ports, object, recorded.formedAt !== undefined, io)
  const movedKeys = ports.openSlots.moved(uid)
  if (openSlots === undefined && (object.status?.openSlots ?? '') === '') ports.openSlots.forget(uid)
  return {
    snapshot: {
      members: settled,
      inboundLinks,
      ...hostsOf(ports.caches, object, settled),
      ...defined({ recordedFormedAt: recorded.formedAt, openSlots }),
    },
    ...(movedKeys === 0 ? {} : { movedKeys }),
    owned,
    ...defined({ recordedRestore, generation, laterVolumes }),
    behind: ports.caches.behind(namespace, name),
    ...(credentials.type === 'missing'
      ? { secretMissing: { secret: credentials.secret, message: credentials.message } }
      : {}),
  }
}

function keptAccess({ access }: ObservePorts, uid: string): Credentials | undefined {
  const kept = access.get(uid)
  const isYoung = kept !== undefined && performance.now() - kept.readAt < SECRETS_LAST_MS
  return isYoung ? { type: 'found', control: kept.password } : undefined
}

/** Reads the Secrets and remembers the way to the servers. */
async function readAccess(
  { objects, access }: ObservePorts,
  { metadata, spec }: ClusterObject,
  formed: Promise<boolean>,
  io: Io,
): Promise<Credentials> {
  const readAt = performance.now()
  const credentials = await readCredentials(objects, metadata, spec, formed, io)
  if (credentials.type === 'found') access.set(metadata.uid, { password: credentials.control, readAt })
  return credentials
}

type Place = Pick<Member, 'pod' | 'shard' | 'index'> & { readonly kube: CachedPod | null }

function placesOf(caches: Caches, object: ClusterObject): readonly Place[] {
  const { namespace, name } = object.metadata
  const perShard = object.spec.replicasPerShard + 1
  return Array.from({ length: object.spec.shards * perShard }, (_, place) => {
    const shard = Math.floor(place / perShard)
    const index = place % perShard
    const pod = nameOf.pod(name, shard, index)
    const kube = caches.pods.get(namespace, pod)
    return { pod, shard, index, kube: kube?.cluster === name ? kube : null }
  })
}

async function observeMember(
  ports: ObservePorts,
  place: Place | Member,
  credentials: Credentials,
  settings: readonly string[],
): Promise<Member> {
  const { pod, shard, index, kube } = place
  const contact = await contactOf(ports, kube, credentials, settings)
  return { pod, shard, index, kube, contact }
}

async function contactOf(
  ports: ObservePorts,
  kube: Member['kube'],
  credentials: Credentials,
  settings: readonly string[],
): Promise<Contact> {
  if (kube?.ip === undefined || credentials.type === 'missing') return { type: 'absent' }
  const node = nodeFor(ports.pool, kube.uid, kube.ip, credentials.control)
  const contact = await observeNode(node, settings, NODE_DEADLINE_MS)
  // A kept connection that was closed says nothing: a fresh dial does.
  if (contact.type !== 'silent' || !node.closed) return contact
  return observeNode(nodeFor(ports.pool, kube.uid, kube.ip, credentials.control), settings, NODE_DEADLINE_MS)
}

/** The kept connection to a pod's server, as the controller's own user. */
export function nodeFor(pool: NodePool, podUid: string, ip: string, password: string): RedisNode {
  return pool.node(podUid, { host: ip, port: CLIENT_PORT, username: CONTROL_USER, password })
}

async function linksOf(
  ports: ObservePorts,
  members: readonly Member[],
  credentials: Credentials,
): Promise<Readonly<Record<string, readonly string[]>>> {
  if (credentials.type === 'missing') return {}
  const read = await Promise.all(
    members.filter(isUp).map(async (member) => {
      if (member.kube?.ip === undefined) return []
      const links = await observeInboundLinks(
        nodeFor(ports.pool, member.kube.uid, member.kube.ip, credentials.control),
        NODE_DEADLINE_MS,
      )
      return links === null ? [] : [[member.pod, links] as const]
    }),
  )
  return Object.fromEntries(read.flat())
}

/** The machines that its pods are on, or were on when their servers were last heard. */
function hostsOf(caches: Caches, { status }: ClusterObject, members: readonly Member[]): Pick<Snapshot, 'hosts'> {
  const names = new Set([
    ...members.flatMap(({ kube }) => (kube?.nodeName === undefined ? [] : [kube.nodeName])),
    ...(status?.topology ?? []).flatMap((shard) => Object.values(shard.hosts ?? {})),
  ])
  const hosts = caches.hosts.among(names)
  return hosts === null ? {} : { hosts }
}

async function openSlotsOf(
  ports: ObservePorts,
  members: readonly Member[],
  credentials: Credentials,
  uid: string,
): Promise<OpenSlots | undefined> {
  if (credentials.type === 'missing') return undefined
  return observeOpenSlots(members, {
    uid,
    memory: ports.openSlots,
    timeoutMs: NODE_DEADLINE_MS,
    connect: ({ kube }) => nodeFor(ports.pool, kube?.uid ?? '', kube?.ip ?? '', credentials.control),
  })
}

function ownedBy(caches: Caches, namespace: string, name: string): Readonly<Record<string, OwnedView>> {
  const all = Object.values(caches.owned).flatMap((cache) => cache.byLabel(LABEL.cluster, name, namespace))
  return Object.fromEntries(all.map((one) => [`${one.kind}/${one.name}`, one]))
}

/** The record of formation is asked for live while the status knows of none: a cache may be behind, and bootstrap can't be undone. */
async function recordOf(
  ports: ObservePorts,
  owned: Readonly<Record<string, OwnedView>>,
  object: ClusterObject,
  io: Io,
): Promise<Readonly<Record<string, string>>> {
  const { namespace, name, uid } = object.metadata
  const cached = owned[`ConfigMap/${nameOf.members(name)}`]
  if (cached !== undefined) return cached.ownerUid === uid ? (cached.data ?? {}) : {}
  if (object.status?.formedAt !== undefined) return {}
  const live = await ports.objects.get(configMaps, { namespace, name: nameOf.members(name) }, io)
  const owner = live?.metadata.ownerReferences?.find((one) => one.controller === true)
  return owner?.uid === uid ? ((live?.['data'] as Record<string, string> | undefined) ?? {}) : {}
}

/** The restore in place that a record names; what nobody can read names none. */
function restoredIn({ restored = '' }: Readonly<Record<string, string>>): RestoredStatus | undefined {
  try {
    const { name, uid, since, formedAt } = JSON.parse(restored) as Partial<RestoredStatus>
    if (name === undefined || uid === undefined || since === undefined || formedAt === undefined) return undefined
    return { name, uid, since, formedAt }
  } catch {
    return undefined
  }
}
