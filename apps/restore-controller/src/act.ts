import { type AgentPorts, ownerOf, runAgent, type SeededVolume, stopAgent } from '@slotkeeper/agents'
import {
  ANNOTATION,
  claimOf,
  type DataClaim,
  GROUP,
  LABEL,
  podSecurityContext,
  type RedisClusterSpec,
  redisClusterSpec,
  VERSION,
  volumeName,
} from '@slotkeeper/api'
import type { ActIo, Outcome } from '@slotkeeper/controller'
import { setFinalizer } from '@slotkeeper/controller-host'
import {
  isKubeError,
  type KubeObject,
  persistentVolumeClaims,
  pods,
  redisBackups,
  redisClusters,
  redisRestores,
} from '@slotkeeper/k8s'
import { heldVolume, volumeOfClaim } from '@slotkeeper/restore'
import type { AppCommand } from './app-command.ts'
import { targetView } from './target-view.ts'

type Of<T extends AppCommand['type']> = Extract<AppCommand, { readonly type: T }>

const ACCEPTED: Outcome = { result: 'accepted' }
const LATER: Outcome = { result: 'later', inMs: 500 }
const REFUSALS = ['Forbidden', 'Invalid', 'NotFound'] as const

/** Carries a command out; to repeat it is harmless. Throws what the API server refuses. */
export function act(ports: AgentPorts, command: AppCommand, io: ActIo): Promise<Outcome> {
  const { objects } = ports
  const { of } = command
  switch (command.type) {
    case 'EnsureFinalizer':
      return setFinalizer(objects, redisRestores, of, true, io)
    case 'RemoveFinalizer':
      return setFinalizer(objects, redisRestores, of, false, io)
    case 'RunAgent':
      return order(ports, command, io)
    case 'StopAgent':
      return stopAgent(ports, { namespace: of.namespace, job: command.job, uid: command.uid }, io)
    case 'CreateBackup':
      return createBackup(ports, command, io)
    case 'CreateClaim':
      return createClaim(ports, command, io)
    case 'DeleteClaim':
      return deleteClaim(ports, command, io)
    case 'CreateCluster':
      return createCluster(ports, command, io)
    case 'SwitchCluster':
      return switchCluster(ports, command, io)
    case 'WithdrawOrder':
      return withdrawOrder(ports, command, io)
    case 'DeleteOldClaims':
      return deleteOldClaims(ports, command, io)
  }
}

async function order(ports: AgentPorts, command: Of<'RunAgent'>, io: ActIo): Promise<Outcome> {
  const { of, storage, target, step, part } = command
  if (storage === undefined) throw new Error(`${command.job} has no storage`)
  const request = { of, storage, cluster: step === 'verify' ? target : null, order: command }
  if (step !== 'seed' || part === undefined) return runAgent(ports, redisRestores, request, io)
  const volume = volumeOf(command, part, ports)
  // Nothing but what this restore has made is ever filled.
  const claim = await ports.objects.get(persistentVolumeClaims, { namespace: of.namespace, name: volume.claimName }, io)
  if (claim === null) return LATER
  if (!isOurs(claim, of.uid)) return notOurs(volume.claimName)
  return runAgent(ports, redisRestores, { ...request, volume }, io)
}

const specOf = ({ targetSpec }: AppCommand): RedisClusterSpec => redisClusterSpec.parse(targetSpec)

const isOurs = ({ metadata }: KubeObject, restore: string): boolean =>
  metadata.annotations?.[ANNOTATION.restoredBy] === restore

const notOurs = (name: string): Outcome => ({
  result: 'failed',
  reason: 'AlreadyExists',
  message: `there is a PersistentVolumeClaim ${name} that this restore has not made`,
})

/** The claim of a shard's first pod: of the cluster that is made, or beside those that it has. */
function claimIn(command: AppCommand, shard: number): DataClaim {
  const { target: cluster, inPlace, of } = command
  return claimOf({ cluster, storage: storageOf(specOf(command)), restore: { uid: of.uid, inPlace } }, shard, 0)
}

function volumeOf(command: AppCommand, shard: number, { podUid }: AgentPorts): SeededVolume {
  const [spec, cluster] = [specOf(command), command.target]
  const { nodeSelector, tolerations, affinity, priorityClassName } = spec.pod ?? {}
  const labels = { [LABEL.seeds]: cluster }
  const apart = ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
    weight: 10,
    podAffinityTerm: { topologyKey, labelSelector: { matchLabels: labels } },
  }))
  return {
    claimName: claimIn(command, shard).metadata.name,
    securityContext: podSecurityContext(spec, podUid === 'platform' ? null : podUid),
    // A volume often stays where its first pod ran: that is where the primary will be.
    placement: {
      ...Object.fromEntries(
        Object.entries({ nodeSelector, tolerations, priorityClassName }).filter(([, value]) => value !== undefined),
      ),
      affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: apart }, ...affinity },
    },
    labels,
  }
}

function storageOf({ storage }: RedisClusterSpec): NonNullable<RedisClusterSpec['storage']> {
  if (storage === undefined) throw new Error('a cluster without volumes is never restored')
  return storage
}

/** It is the restore's, and goes with it. What has its name already is looked at when the watch has shown it. */
async function createBackup({ objects }: AgentPorts, command: Of<'CreateBackup'>, io: ActIo): Promise<Outcome> {
  const { of, backup, backupSpec } = command
  const labels = { [LABEL.name]: 'slotkeeper', [LABEL.managedBy]: 'slotkeeper' }
  const object = {
    apiVersion: `${GROUP}/${VERSION}`,
    kind: redisBackups.kind,
    metadata: { name: backup, namespace: of.namespace, labels, ownerReferences: [ownerOf(redisRestores, of)] },
    spec: backupSpec,
  }
  return settled(objects.create(redisBackups, object, io), () => Promise.resolve(ACCEPTED))
}

async function createClaim(ports: AgentPorts, command: Of<'CreateClaim'>, io: ActIo): Promise<Outcome> {
  const { of, shard } = command
  const { metadata, spec } = claimIn(command, shard)
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { ...metadata, namespace: of.namespace, annotations: { [ANNOTATION.restoredBy]: of.uid } },
    spec,
  }
  const { objects } = ports
  return settled(objects.create(persistentVolumeClaims, claim, io), async () => {
    const there = await objects.get(persistentVolumeClaims, { namespace: of.namespace, name: metadata.name }, io)
    if (there === null) return LATER
    return isOurs(there, of.uid) ? ACCEPTED : notOurs(metadata.name)
  })
}

/** What came of creating something; where something of its name is there already, `judge` looks at it. */
async function settled(creating: Promise<unknown>, judge: () => Promise<Outcome>): Promise<Outcome> {
  try {
    await creating
    return ACCEPTED
  } catch (error) {
    if (isKubeError(error, ...REFUSALS)) return { result: 'failed', reason: error.reason, message: error.message }
    if (!isKubeError(error, 'AlreadyExists', 'Conflict')) throw error
    return judge()
  }
}

/** What cannot be taken back is decided once more, by what is there now and not by what was seen. */
async function deleteClaim({ objects }: AgentPorts, command: Of<'DeleteClaim'>, io: ActIo): Promise<Outcome> {
  const { of, target, claim, uid } = command
  const place = { namespace: of.namespace, name: claim }
  const cluster = await objects.get(redisClusters, { namespace: of.namespace, name: target }, io)
  const itsVolumes = cluster === null ? [] : [volumeOfCluster(cluster), heldVolume(targetView(cluster))]
  if (itsVolumes.some((one) => one === volumeOfClaim(target, claim)))
    return {
      result: 'failed',
      reason: 'Conflict',
      message: `${claim} may be in use: there is a RedisCluster ${target}`,
    }
  const there = await objects.get(persistentVolumeClaims, place, io)
  if (there === null || there.metadata.uid !== uid) return ACCEPTED
  if (!isOurs(there, of.uid)) return notOurs(claim)
  if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
  await objects.delete(persistentVolumeClaims, place, { uid }, io)
  return ACCEPTED
}

async function createCluster({ objects }: AgentPorts, command: Of<'CreateCluster'>, io: ActIo): Promise<Outcome> {
  const { of, cluster, spec } = command
  const place = { namespace: of.namespace, name: cluster }
  const object = {
    apiVersion: `${GROUP}/${VERSION}`,
    kind: redisClusters.kind,
    metadata: place,
    spec: { ...spec, bootstrap: { restore: { name: of.name, uid: of.uid } } },
  }
  if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
  return settled(objects.create(redisClusters, object, io), async () => {
    const there = await objects.get(redisClusters, place, io)
    if (there === null) return LATER
    if (targetView(there).restoredBy === of.uid) return ACCEPTED
    return { result: 'failed', reason: 'AlreadyExists', message: `there is another RedisCluster ${cluster}` }
  })
}

/** The volume that the pods of a cluster have, or are to have. */
function volumeOfCluster(cluster: KubeObject): string {
  const { restoredBy, inPlace } = targetView(cluster)
  return volumeName(restoredBy === undefined ? undefined : { uid: restoredBy, inPlace })
}

/** The one write by which a cluster gives up what it holds: to that very cluster, as it was looked at. */
async function switchCluster({ objects }: AgentPorts, command: Of<'SwitchCluster'>, io: ActIo): Promise<Outcome> {
  const { of, cluster, uid, restoredBy, volume } = command
  const place = { namespace: of.namespace, name: cluster }
  const there = await objects.get(redisClusters, place, io)
  const view = there === null ? null : targetView(there)
  if (there === null || view?.uid !== uid || view.isDeleting) return changed(`there is another RedisCluster ${cluster}`)
  if (view.restoredBy === of.uid) return ACCEPTED
  if (view.orderedBy === of.uid) return changed(`the order to ${cluster} was taken back`)
  if (view.restoredBy !== restoredBy || heldVolume(view) !== volume)
    return changed(`another restore has replaced the data of ${cluster}, or was told to`)
  if (view.spec['paused'] === true || !io.mayAct()) return { result: 'later', inMs: 5_000 }
  const { resourceVersion = '' } = there.metadata
  // What it has, and not what it was told to take before and never did.
  const former = view.holds ?? null
  const patch = {
    metadata: { annotations: { [ANNOTATION.restoreOrderedBy]: of.uid } },
    spec: { bootstrap: { restore: { name: of.name, uid: of.uid, inPlace: true, former } } },
  }
  return settled(objects.patch(redisClusters, place, patch, { uid, resourceVersion }, io), () => Promise.resolve(LATER))
}

/** The one write by which a cluster that was told to give up what it holds keeps it; the API server refuses it once that has begun. */
async function withdrawOrder({ objects }: AgentPorts, command: Of<'WithdrawOrder'>, io: ActIo): Promise<Outcome> {
  const { of, cluster, uid } = command
  const place = { namespace: of.namespace, name: cluster }
  const there = await objects.get(redisClusters, place, io)
  const view = there === null ? null : targetView(there)
  if (there === null || view?.uid !== uid || view.restoredBy !== of.uid || view.isSwitched === true) return ACCEPTED
  // One whose status was lost may have begun, and the API server would refuse it.
  if (view.formedAt === undefined || view.isDeleting) return ACCEPTED
  if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
  const { former } = view
  const patch = { spec: { bootstrap: { restore: former === undefined ? null : { ...former, former: null } } } }
  const { resourceVersion = '' } = there.metadata
  return settled(objects.patch(redisClusters, place, patch, { uid, resourceVersion }, io), () => Promise.resolve(LATER))
}

const changed = (message: string): Outcome => ({ result: 'failed', reason: 'Conflict', message })

/** Whether it was told to take what this restore has filled, and does. */
function hasTaken(cluster: KubeObject, restore: string): boolean {
  const { restoredBy, holds } = targetView(cluster)
  return restoredBy === restore && holds?.uid === restore
}

/** Claims of what the cluster had before: only while that cluster has the data of this restore, and nobody mounts them. */
async function deleteOldClaims({ objects }: AgentPorts, command: Of<'DeleteOldClaims'>, io: ActIo): Promise<Outcome> {
  const { of, cluster, clusterUid, claims } = command
  const { namespace } = of
  const there = await objects.get(redisClusters, { namespace, name: cluster }, io)
  if (there === null || there.metadata.uid !== clusterUid || !hasTaken(there, of.uid))
    return changed(`the RedisCluster ${cluster} is not what this restore has left`)
  const volumeNow = volumeOfCluster(there)
  const { items } = await objects.list(pods, { namespace }, io)
  const mounted = items.map((pod) => JSON.stringify(pod['spec'])).join()
  const strange: string[] = []
  for (const { name, uid } of claims) {
    const found = await objects.get(persistentVolumeClaims, { namespace, name }, io)
    // What is mounted is looked at again with the next pass: it holds up none of the others.
    if (found === null || found.metadata.uid !== uid || mounted.includes(`"claimName":"${name}"`)) continue
    const volume = volumeOfClaim(cluster, name)
    const isFormer = volume !== null && volume !== volumeNow && found.metadata.labels?.[LABEL.cluster] === cluster
    if (!io.mayAct()) return { result: 'later', inMs: 1_000 }
    if (isFormer) await objects.delete(persistentVolumeClaims, { namespace, name }, { uid }, io)
    else strange.push(name)
  }
  return strange.length === 0 ? ACCEPTED : changed(`no volumes of before of ${cluster}: ${strange.join(', ')}`)
}
