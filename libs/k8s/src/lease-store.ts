import type { KubeObject, Objects } from './objects.ts'
import { leases, type ObjectKey } from './resource.ts'
import type { CallIo } from './time-limit.ts'

/** Annotation of a Lease that holds the epoch of its last leadership. */
export const EPOCH_ANNOTATION = 'slotkeeper.dev/epoch'

/** A Lease, as far as an election looks at it. */
export type LeaseRecord = {
  readonly uid: string
  readonly version: string
  /** Empty when nobody holds it. */
  readonly holder: string
  /** When its holder said that it renewed it, in the holder's words. */
  readonly renewedAt: string
  readonly epoch: number
  readonly durationMs: number
  readonly transitions: number
}

/** Reads and writes of one Lease, every write conditional on the version that was read. */
export type LeaseStore = {
  read(io: CallIo): Promise<LeaseRecord | null>
  create(io: CallIo): Promise<LeaseRecord>
  take(seen: LeaseRecord, io: CallIo): Promise<LeaseRecord>
  renew(seen: LeaseRecord, epoch: number, renewedAt: string, io: CallIo): Promise<LeaseRecord>
  release(seen: LeaseRecord, io: CallIo): Promise<void>
}

/** The store of one candidate. */
export function leaseStore(objects: Objects, key: ObjectKey, holder: string, durationMs: number): LeaseStore {
  const leaseDurationSeconds = Math.max(1, Math.ceil(durationMs / 1_000))
  const claim = (): object => ({
    holderIdentity: holder,
    leaseDurationSeconds,
    acquireTime: microTime(),
    renewTime: microTime(),
  })

  // A patch, not a PUT: a PUT of a Lease that has vanished would create it again.
  async function write(seen: LeaseRecord, spec: object, io: CallIo, epoch = seen.epoch): Promise<LeaseRecord> {
    const patch = { metadata: { annotations: { [EPOCH_ANNOTATION]: String(epoch) } }, spec }
    return recordOf(await objects.patch(leases, key, patch, { uid: seen.uid, resourceVersion: seen.version }, io))
  }

  return {
    async read(io) {
      const lease = await objects.get(leases, key, io)
      return lease === null ? null : recordOf(lease)
    },
    async create(io) {
      const metadata = { name: key.name, namespace: key.namespace, annotations: { [EPOCH_ANNOTATION]: '0' } }
      const lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata,
        spec: { ...claim(), leaseTransitions: 0 },
      }
      return recordOf(await objects.create(leases, lease, io))
    },
    take: (seen, io) => write(seen, { ...claim(), leaseTransitions: seen.transitions + 1 }, io),
    renew: (seen, epoch, renewedAt, io) => write(seen, { renewTime: renewedAt }, io, epoch),
    async release(seen, io) {
      await write(seen, { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime() }, io)
    },
  }
}

/** Kubernetes' MicroTime: six digits after the second. */
export function microTime(at = Date.now()): string {
  return new Date(at).toISOString().replace(/Z$/, '000Z')
}

function recordOf(lease: KubeObject): LeaseRecord {
  const spec = (lease.spec ?? {}) as {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    readonly leaseTransitions?: number
    readonly renewTime?: string
  }
  const epoch = Number(lease.metadata.annotations?.[EPOCH_ANNOTATION] ?? 0)
  return {
    uid: lease.metadata.uid ?? '',
    version: lease.metadata.resourceVersion ?? '',
    holder: spec.holderIdentity ?? '',
    renewedAt: spec.renewTime ?? '',
    epoch: Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0,
    durationMs: (spec.leaseDurationSeconds ?? 15) * 1_000,
    transitions: spec.leaseTransitions ?? 0,
  }
}
