import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../step-log.ts'
import type { ApiClient, KubernetesObject } from './api-client.ts'

const provisioner = 'local.slotkeeper.dev/folder'
const chosenNode = 'volume.kubernetes.io/selected-node'
const madeBy = 'pv.kubernetes.io/provisioned-by'

/** The default class: bound where the scheduler puts the first pod. */
export const standardClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
}

type Claim = {
  readonly storageClassName?: string
  readonly volumeName?: string
  readonly accessModes?: readonly string[]
  readonly resources?: { readonly requests?: { readonly storage?: string } }
}

/** The volume that answers a claim. Type `local` honours fsGroup, which `hostPath` does not. */
export function volumeFor(claim: KubernetesObject, node: string, path: string): object {
  const spec = (claim.spec ?? {}) as Claim
  const { name, namespace, uid } = claim.metadata
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `pvc-${String(uid)}`, annotations: { [madeBy]: provisioner } },
    spec: {
      capacity: { storage: spec.resources?.requests?.storage ?? '1Gi' },
      accessModes: spec.accessModes ?? ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName: spec.storageClassName,
      volumeMode: 'Filesystem',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid },
      local: { path },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
          ],
        },
      },
    },
  }
}

/** Answers claims with folders of their node and removes those that were released. */
export class VolumeProvisioner {
  readonly #api: ApiClient
  readonly #state: string
  readonly #log: Log
  #complaint = ''

  constructor(api: ApiClient, state: string, log: Log) {
    this.#api = api
    this.#state = state
    this.#log = log
  }

  /** Works until it is told to stop. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#pass(signal).catch((error: unknown) => this.#complain(error))
      await sleep(300, undefined, { signal }).catch(() => undefined)
    }
  }

  #complain(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    if (text !== this.#complaint) this.#log(`volumes: ${text}`)
    this.#complaint = text
  }

  async #pass(signal: AbortSignal): Promise<void> {
    for (const claim of await this.#api.list('/api/v1/persistentvolumeclaims', signal))
      await this.#answer(claim, signal)
    for (const volume of await this.#api.list('/api/v1/persistentvolumes', signal)) await this.#reclaim(volume, signal)
  }

  async #answer(claim: KubernetesObject, signal: AbortSignal): Promise<void> {
    const { storageClassName, volumeName } = (claim.spec ?? {}) as Claim
    const node = claim.metadata.annotations?.[chosenNode]
    if (
      storageClassName !== 'standard' ||
      volumeName !== undefined ||
      node === undefined ||
      claim.metadata.deletionTimestamp !== undefined
    )
      return
    const path = join(this.#state, node, 'volumes', `pvc-${String(claim.metadata.uid)}`)
    await mkdir(path, { recursive: true })
    await chmod(path, 0o777)
    await this.#api
      .send('POST', '/api/v1/persistentvolumes', signal, volumeFor(claim, node, path))
      .catch((error: unknown) => {
        if (!(error instanceof Error) || !error.message.includes(' 409 ')) throw error
      })
  }

  async #reclaim(volume: KubernetesObject, signal: AbortSignal): Promise<void> {
    const { local, persistentVolumeReclaimPolicy } = (volume.spec ?? {}) as {
      local?: { path: string }
      persistentVolumeReclaimPolicy?: string
    }
    if (volume.metadata.annotations?.[madeBy] !== provisioner || persistentVolumeReclaimPolicy !== 'Delete') return
    if (volume.status?.['phase'] !== 'Released' || local === undefined) return
    await this.#api.send('DELETE', `/api/v1/persistentvolumes/${volume.metadata.name}`, signal)
    await rm(local.path, { recursive: true, force: true })
  }
}
