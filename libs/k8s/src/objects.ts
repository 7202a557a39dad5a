import { isKubeError, KubeError } from './errors.ts'
import { apiVersionOf, collectionPath, type ObjectKey, objectPath, type ResourceDescriptor } from './resource.ts'
import { type CallIo, remaining } from './time-limit.ts'
import type { Kube } from './transport.ts'

/** What every object of Kubernetes says about itself. */
export type ObjectMeta = {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
  readonly ownerReferences?: readonly OwnerReference[]
  readonly [other: string]: unknown
}

/** Who an object belongs to. */
export type OwnerReference = {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** Any object, as plain JSON: fields that we do not know are kept. */
export type KubeObject = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly [other: string]: unknown
}

/** Which object a write is meant for: a namesake is refused with reason Conflict. */
export type Precondition = { readonly uid: string; readonly resourceVersion?: string }

/** How to delete. The uid is required: what was seen is deleted, never what has its name now. */
export type DeleteOptions = Precondition & {
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan'
  readonly gracePeriodSeconds?: number
}

/** Which objects of a kind. */
export type Selection = {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

/** Server-side apply: `force` takes fields from other managers; with a `uid` it is meant for that object alone. */
export type ApplyOptions = {
  readonly fieldManager?: string
  readonly force?: boolean
  readonly uid?: string | undefined
}

/** Calls on objects, each one request (`list`: one a page). All throw KubeError. */
export type Objects = {
  /** Null when there is none. */
  get(resource: ResourceDescriptor, key: ObjectKey, io: CallIo): Promise<KubeObject | null>
  list(resource: ResourceDescriptor, selection: Selection, io: CallIo): Promise<KubeList>
  create(resource: ResourceDescriptor, object: KubeObject, io: CallIo): Promise<KubeObject>
  /** False when it was not there; Conflict when another object has the name. */
  delete(resource: ResourceDescriptor, key: ObjectKey, options: DeleteOptions, io: CallIo): Promise<boolean>
  /** JSON merge patch. */
  patch(
    resource: ResourceDescriptor,
    key: ObjectKey,
    patch: object,
    precondition: Precondition | null,
    io: CallIo,
  ): Promise<KubeObject>
  /** Merge patch of the subresource: `status` is the patch of the status, with null for what is to go. */
  patchStatus(
    resource: ResourceDescriptor,
    key: ObjectKey,
    status: object,
    precondition: Precondition,
    io: CallIo,
  ): Promise<KubeObject>
  apply(resource: ResourceDescriptor, object: KubeObject, options: ApplyOptions, io: CallIo): Promise<KubeObject>
  applyStatus(resource: ResourceDescriptor, object: KubeObject, options: ApplyOptions, io: CallIo): Promise<KubeObject>
}

/** All objects of a selection, and the version of the whole. */
export type KubeList = { readonly items: readonly KubeObject[]; readonly resourceVersion: string }

const FIELD_MANAGER = 'slotkeeper'
const PAGE = 500

/** The calls on objects over one connection pool. */
export function objectsOf(kube: Kube): Objects {
  return {
    get: (resource, key, io) => getObject(kube, resource, key, io),
    async list(resource, selection, io) {
      const items: KubeObject[] = []
      let resourceVersion = ''
      for await (const page of listPages(kube, resource, selection, io)) {
        for (const item of page.items) items.push(item)
        resourceVersion = page.resourceVersion
      }
      return { items, resourceVersion }
    },
    async create(resource, object, io) {
      const path = collectionPath(resource, object.metadata.namespace)
      return asObject(
        await kube.request({
          method: 'POST',
          path,
          query: { fieldManager: FIELD_MANAGER },
          body: object,
          ...limits(io),
        }),
      )
    },
    delete: (resource, key, options, io) => deleteObject(kube, resource, key, options, io),
    patch: async (resource, key, patch, precondition, io) =>
      mergePatch(kube, objectPath(resource, key), patch, precondition, io),
    patchStatus: async (resource, key, status, precondition, io) =>
      mergePatch(kube, objectPath(resource, key, 'status'), { status }, precondition, io),
    apply: async (resource, object, options, io) =>
      apply(kube, objectPath(resource, keyOf(object)), object, options, io),
    applyStatus: async (resource, object, options, io) =>
      apply(kube, objectPath(resource, keyOf(object), 'status'), object, options, io),
  }
}

/** The key of an object. */
export function keyOf(object: KubeObject): ObjectKey {
  return { namespace: object.metadata.namespace ?? '', name: object.metadata.name }
}

/** Page by page, so that a big list never holds up the process for long; a list that expired half way throws Gone. */
export async function* listPages(
  kube: Kube,
  resource: ResourceDescriptor,
  selection: Selection,
  io: CallIo,
): AsyncGenerator<KubeList, void> {
  const apiVersion = apiVersionOf(resource)
  let next = ''
  do {
    const query = { ...selectors(selection), limit: String(PAGE), ...(next !== '' && { continue: next }) }
    const path = collectionPath(resource, selection.namespace)
    const page = asList(await kube.request({ method: 'GET', path, query, ...limits(io) }))
    // Items of a list do not say what they are.
    const items = page.items.map((item): KubeObject => ({ ...item, apiVersion, kind: resource.kind }))
    yield { items, resourceVersion: page.metadata.resourceVersion }
    next = page.metadata.continue ?? ''
  } while (next !== '')
}

/** The query of a selection, for lists and watches alike. */
export function selectors(selection: Selection): Record<string, string> {
  return {
    ...(selection.labelSelector !== undefined && { labelSelector: selection.labelSelector }),
    ...(selection.fieldSelector !== undefined && { fieldSelector: selection.fieldSelector }),
  }
}

async function getObject(
  kube: Kube,
  resource: ResourceDescriptor,
  key: ObjectKey,
  io: CallIo,
): Promise<KubeObject | null> {
  try {
    return asObject(await kube.request({ method: 'GET', path: objectPath(resource, key), ...limits(io) }))
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'NotFound') return null
    throw error
  }
}

async function deleteObject(
  kube: Kube,
  resource: ResourceDescriptor,
  key: ObjectKey,
  options: DeleteOptions,
  io: CallIo,
): Promise<boolean> {
  const { uid, resourceVersion, propagation, gracePeriodSeconds } = options
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid, ...(resourceVersion !== undefined && { resourceVersion }) },
    propagationPolicy: propagation ?? 'Background',
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
  }
  try {
    await kube.request({ method: 'DELETE', path: objectPath(resource, key), body, ...limits(io) })
    return true
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'NotFound') return false
    throw error
  }
}

async function mergePatch(
  kube: Kube,
  path: string,
  patch: object,
  precondition: Precondition | null,
  io: CallIo,
): Promise<KubeObject> {
  const body = precondition === null ? patch : withPrecondition(patch, precondition)
  const query = { fieldManager: FIELD_MANAGER }
  const contentType = 'application/merge-patch+json'
  try {
    return asObject(await kube.request({ method: 'PATCH', path, query, body, contentType, ...limits(io) }))
  } catch (error) {
    throw precondition === null ? error : asConflict(error, path)
  }
}

/** A namesake's uid is refused as an immutable field: to the caller that is a conflict like any other. */
function asConflict(error: unknown, path: string): unknown {
  const namesake = isKubeError(error, 'Invalid') && /metadata\.uid/.test(error.message)
  return namesake ? new KubeError('Conflict', 409, `PATCH ${path}: another object has this name`) : error
}

function withPrecondition(patch: object, { uid, resourceVersion }: Precondition): object {
  const metadata = 'metadata' in patch && typeof patch.metadata === 'object' ? patch.metadata : {}
  return { ...patch, metadata: { ...metadata, uid, ...(resourceVersion !== undefined && { resourceVersion }) } }
}

async function apply(
  kube: Kube,
  path: string,
  object: KubeObject,
  options: ApplyOptions,
  io: CallIo,
): Promise<KubeObject> {
  const query = { fieldManager: options.fieldManager ?? FIELD_MANAGER, force: String(options.force ?? false) }
  const contentType = 'application/apply-patch+yaml'
  const { uid } = options
  const body = uid === undefined ? object : { ...object, metadata: { ...object.metadata, uid } }
  try {
    return asObject(await kube.request({ method: 'PATCH', path, query, body, contentType, ...limits(io) }))
  } catch (error) {
    throw uid === undefined ? error : asConflict(error, path)
  }
}

function limits(io: CallIo): { readonly signal: AbortSignal; readonly deadlineMs?: number } {
  return io.deadline === undefined
    ? { signal: io.signal }
    : { signal: io.signal, deadlineMs: remaining(io, Number.MAX_SAFE_INTEGER) }
}

/** A success that is no object, as a proxy may invent it, must not pass for one that somebody else made. */
function asObject(answer: unknown): KubeObject {
  const metadata = asRecord(asRecord(answer)['metadata'])
  if (typeof metadata['name'] === 'string' && typeof metadata['uid'] === 'string') return answer as KubeObject
  throw new KubeError('Unavailable', 0, 'the answer is not an object of Kubernetes')
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

type ListAnswer = {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly KubeObject[]
}

/** What is no list must not pass for an empty one: everything that it does not hold counts as deleted. */
function asList(answer: unknown): ListAnswer {
  const { items, metadata } = asRecord(answer)
  const version = asRecord(metadata)['resourceVersion']
  if ((items !== null && !Array.isArray(items)) || typeof version !== 'string' || version === '')
    throw new KubeError('Unavailable', 0, 'the answer is not a list')
  return { metadata: metadata as ListAnswer['metadata'], items: (items ?? []) as readonly KubeObject[] }
}
