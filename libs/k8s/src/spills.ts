import { isKubeError } from './errors.ts'
import type { KubeObject, Objects } from './objects.ts'
import { configMaps, type ObjectKey } from './resource.ts'
import type { CallIo } from './time-limit.ts'

/** An entry of an outbox: opaque here, but for its number. */
export type SpilledEntry = { readonly seq: number }

/** Entries of one life of an object that its outbox had no room for. */
export type KeptSpill<E extends SpilledEntry> = {
  readonly key: ObjectKey
  readonly uid: string
  readonly life: number
  readonly entries: readonly E[]
}

/** Where outboxes overflow to. */
export type KeptSpills<E extends SpilledEntry> = {
  write(spill: KeptSpill<E>, io: CallIo): Promise<void>
  list(key: ObjectKey | null, io: CallIo): Promise<readonly KeptSpill<E>[]>
  remove(spill: KeptSpill<E>, io: CallIo): Promise<void>
}

const LABEL = { kind: 'slotkeeper.dev/spill', name: 'slotkeeper.dev/spill-name' } as const

/**
 * Keeps spills as immutable ConfigMaps in the operator's own namespace: users' namespaces may be going away, and the
 * events are the operator's to deliver. The name is made of whose they are and of their numbers: committed events
 * never change, so that the same name holds the same.
 */
export function createSpills<E extends SpilledEntry>(options: {
  readonly objects: Objects
  readonly namespace: string
  /** `cluster`, ...: each controller lists its own. */
  readonly kind: string
}): KeptSpills<E> {
  const { objects, namespace, kind } = options
  return {
    async write(spill, io) {
      try {
        await objects.create(configMaps, toConfigMap(spill, namespace, kind), io)
      } catch (error) {
        if (!isKubeError(error, 'AlreadyExists')) throw error
      }
    },
    async list(key, io) {
      const labels = [`${LABEL.kind}=${kind}`, ...(key === null ? [] : [`${LABEL.name}=${labelOf(key)}`])]
      const { items } = await objects.list(configMaps, { namespace, labelSelector: labels.join(',') }, io)
      const spills = items.map((item) => fromConfigMap<E>(item)).filter((one) => one !== null)
      // The label may be cut: two long names can share one.
      return spills.filter((one) => key === null || (one.key.namespace === key.namespace && one.key.name === key.name))
    },
    async remove(spill, io) {
      const key = { namespace, name: nameOf(spill, kind) }
      const uid = (await objects.get(configMaps, key, io))?.metadata.uid
      if (uid !== undefined) await objects.delete(configMaps, key, { uid }, io)
    },
  }
}

function nameOf<E extends SpilledEntry>({ uid, life, entries }: KeptSpill<E>, kind: string): string {
  return `slotkeeper-spill-${kind}-${uid}-${life}-${entries[0]?.seq ?? 0}-${entries.at(-1)?.seq ?? 0}`
}

function labelOf({ namespace, name }: ObjectKey): string {
  return `${namespace}.${name}`.slice(0, 63).replace(/[^A-Za-z0-9]+$/, '')
}

function toConfigMap<E extends SpilledEntry>(spill: KeptSpill<E>, namespace: string, kind: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      namespace,
      name: nameOf(spill, kind),
      labels: { [LABEL.kind]: kind, [LABEL.name]: labelOf(spill.key), 'app.kubernetes.io/managed-by': 'slotkeeper' },
    },
    immutable: true,
    data: { spill: JSON.stringify(spill) },
  }
}

/** Null for what is no spill: somebody else's ConfigMap under our label is left alone. */
function fromConfigMap<E extends SpilledEntry>(object: KubeObject): KeptSpill<E> | null {
  try {
    const spill = JSON.parse(String((object['data'] as Record<string, unknown>)['spill'])) as KeptSpill<E>
    const sound =
      typeof spill.uid === 'string' &&
      typeof spill.life === 'number' &&
      Array.isArray(spill.entries) &&
      spill.key !== null
    return sound ? spill : null
  } catch {
    return null
  }
}
