import type { Io, Outcome } from '@slotkeeper/controller'
import { setFinalizer } from '@slotkeeper/controller-host'
import {
  configMaps,
  type KubeObject,
  type Objects,
  podDisruptionBudgets,
  pods,
  redisClusters,
  type ResourceDescriptor,
  services,
  statefulSets,
} from '@slotkeeper/k8s'
import { parseCluster } from './cluster-object.ts'
import { createSecrets } from './credentials.ts'
import type { AppCommand } from './decide.ts'

/** What acting on Kubernetes reaches out to. */
export type KubernetesPorts = {
  readonly objects: Objects
  /** Told of each object of a cluster that was written. */
  readonly wrote: (cluster: string, object: KubeObject) => void
}

type OnKubernetes = 'ApplyObject' | 'DeleteObject' | 'ReleasePod' | 'EnsureFinalizer' | 'RemoveFinalizer'
/** The commands that concern objects of Kubernetes alone. */
export type KubernetesCommand = Extract<AppCommand, { readonly type: OnKubernetes }>
type Of<T extends OnKubernetes> = Extract<KubernetesCommand, { readonly type: T }>

const ACCEPTED: Outcome = { result: 'accepted' }
const RESOURCES: Readonly<Record<string, ResourceDescriptor>> = Object.fromEntries(
  [statefulSets, services, configMaps, podDisruptionBudgets].map((one) => [one.kind, one]),
)

/** Carries out a command on objects of Kubernetes. Throws what the API server refuses. */
export function actOnKubernetes(ports: KubernetesPorts, command: KubernetesCommand, io: Io): Promise<Outcome> {
  switch (command.type) {
    case 'ApplyObject':
      return applyObject(ports, command, io)
    case 'DeleteObject':
      return deleteObject(ports, command, io)
    case 'ReleasePod':
      return releasePod(ports, command, io)
    case 'EnsureFinalizer':
      return setFinalizer(ports.objects, redisClusters, command.cluster, true, io)
    case 'RemoveFinalizer':
      return setFinalizer(ports.objects, redisClusters, command.cluster, false, io)
  }
}

async function applyObject(ports: KubernetesPorts, command: Of<'ApplyObject'>, io: Io): Promise<Outcome> {
  const { objects } = ports
  if (command.kind === 'Secret') {
    const owner = await objects.get(redisClusters, command.cluster, io)
    if (owner === null || owner.metadata.uid !== command.cluster.uid) return ACCEPTED
    const taken = await createSecrets(objects, command.cluster, parseCluster(owner).spec, io)
    return taken === null ? ACCEPTED : nameTaken(`Secret ${taken}`)
  }
  const resource = RESOURCES[command.kind]
  if (resource === undefined || command.object === undefined) throw new Error(`no way to apply a ${command.kind}`)
  // Read live: an object of this name without our label is in no cache, and must not be taken over.
  const found = await objects.get(resource, { namespace: command.cluster.namespace, name: command.name }, io)
  const owner = found?.metadata.ownerReferences?.find((one) => one.controller === true)
  if (found !== null && owner?.uid !== command.cluster.uid) return nameTaken(`${command.kind} ${command.name}`)
  const options = { force: true, uid: found?.metadata.uid }
  const applied = await objects.apply(resource, command.object as unknown as KubeObject, options, io)
  ports.wrote(command.cluster.name, applied)
  return ACCEPTED
}

function nameTaken(what: string): Outcome {
  return { result: 'failed', reason: 'NameTaken', message: `${what} exists and is not ours: delete or rename it` }
}

async function deleteObject(ports: KubernetesPorts, command: Of<'DeleteObject'>, io: Io): Promise<Outcome> {
  // Other kinds hold data or addresses: they are never deleted, nor may we.
  const key = { namespace: command.cluster.namespace, name: command.name }
  const { uid } = command
  if (command.kind === podDisruptionBudgets.kind) await ports.objects.delete(podDisruptionBudgets, key, { uid }, io)
  else if (command.kind === pods.kind) await ports.objects.delete(pods, key, { uid }, io)
  else throw new Error(`no way to delete a ${command.kind}`)
  return ACCEPTED
}

/** Deletes a pod's object without waiting for its kubelet, which can't answer. */
async function releasePod(ports: KubernetesPorts, { cluster, pod, uid }: Of<'ReleasePod'>, io: Io): Promise<Outcome> {
  await ports.objects.delete(pods, { namespace: cluster.namespace, name: pod }, { uid, gracePeriodSeconds: 0 }, io)
  return ACCEPTED
}
