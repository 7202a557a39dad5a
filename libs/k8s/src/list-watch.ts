import { type Backoff, createBackoff } from './backoff.ts'
import { errorOfAnswer, isKubeError, KubeError } from './errors.ts'
import { cacheKeyOf } from './object-cache.ts'
import { type KubeObject, listPages, selectors } from './objects.ts'
import { collectionPath, type ResourceDescriptor } from './resource.ts'
import { pause } from './time-limit.ts'
import type { Kube } from './transport.ts'
import { watchEvents } from './watch-lines.ts'

/** What follows one collection: of a namespace, or of all of them when it is empty. */
export type ListWatchOptions = {
  readonly kube: Kube
  readonly resource: ResourceDescriptor
  readonly namespace: string
  readonly labelSelector: string | undefined
  readonly inactivityMs: number
  readonly backoffMs: { readonly min: number; readonly max: number }
  readonly random: () => number
  readonly sink: ListWatchSink
}

/** Where a collection's objects go. Nothing here may throw. */
export type ListWatchSink = {
  put(object: KubeObject): void
  remove(object: KubeObject): void
  /** A list begins: it will show every write that has been made by now. */
  listing(): void
  /** A list is complete: these are the cache keys of all objects there are. */
  listed(keys: ReadonlySet<string>): void
  /** Everything up to this version has been given. */
  reached(resourceVersion: string): void
  problem(error: unknown): void
}

/** A watch that ends sooner than this has failed, whatever it gave: the pauses go on growing. */
const SHORT_WATCH_MS = 5_000
/** How long a list may take in all pages: each page has its own, shorter limit. */
const LIST_MS = 120_000
const LONGEST_ASKED_MS = 30_000

/** Lists, then watches, for as long as the signal allows; nothing else stops it. */
export async function listAndWatch(options: ListWatchOptions, signal: AbortSignal): Promise<void> {
  const backoff = backoffOf(options)
  let version: string | undefined
  while (!signal.aborted) {
    let began = Infinity
    const lasted = (): boolean => performance.now() - began > SHORT_WATCH_MS
    try {
      version ??= await list(options, signal)
      began = performance.now()
      for await (const reached of watch(options, version, signal)) version = reached
      if (lasted()) backoff.reset()
      // The server ends each watch after some minutes: go on at once.
      if (lasted()) continue
    } catch (error) {
      if (signal.aborted) return
      if (lasted()) backoff.reset()
      options.sink.problem(error)
      if (!keepsVersion(error)) version = undefined
      await pause(askedMs(error), signal)
    }
    await pause(backoff.next(), signal)
  }
}

async function list(options: ListWatchOptions, signal: AbortSignal): Promise<string> {
  const { resource, namespace, labelSelector, sink } = options
  const kube = withPatience(options)
  const selection = { namespace, ...(labelSelector !== undefined && { labelSelector }) }
  const keys = new Set<string>()
  let version = ''
  sink.listing()
  // A name with a new uid is told by `put`; what is missing is told at the end, when all is known.
  for await (const page of listPages(kube, resource, selection, { signal, deadline: Date.now() + LIST_MS })) {
    for (const object of page.items) {
      sink.put(object)
      keys.add(cacheKeyOf(object.metadata.namespace ?? '', object.metadata.name))
    }
    version = page.resourceVersion
  }
  sink.listed(keys)
  sink.reached(version)
  return version
}

/**
 * Asks for a page again that did not come: with so many pages to a list, one in five that fails would let none end. Not
 * for the first page, which costs nothing to begin anew, nor when the rest of the list has expired.
 */
function withPatience(options: ListWatchOptions): Kube {
  const { kube, sink } = options
  const request: Kube['request'] = async (call) => {
    const until = performance.now() + (call.deadlineMs ?? LIST_MS)
    const backoff = backoffOf(options)
    for (;;) {
      const leftMs = until - performance.now()
      try {
        return await kube.request({ ...call, deadlineMs: Math.max(1, leftMs) })
      } catch (error) {
        if (call.query?.['continue'] === undefined || !keepsVersion(error) || leftMs <= 0) throw error
        sink.problem(error)
        await pause(Math.max(backoff.next(), askedMs(error)), call.signal)
      }
    }
  }
  return { ...kube, request }
}

function backoffOf({ backoffMs: { min, max }, random }: ListWatchOptions): Backoff {
  return createBackoff({ minMs: min, maxMs: max, random })
}

/** How long the server asked us to wait. */
function askedMs(error: unknown): number {
  return Math.min((isKubeError(error) ? error.retryAfterMs : undefined) ?? 0, LONGEST_ASKED_MS)
}

/**
 * Whether a watch can go on from where it was. Not after Gone (our version is too old), not after a line that we
 * could not read (it may have been a change), not after an answered timeout (our version is too new: etcd was restored).
 */
function keepsVersion(error: unknown): boolean {
  return isKubeError(error, 'Unavailable', 'TooMany') || (isKubeError(error, 'Timeout') && error.status === 0)
}

/** Yields the version reached after each event. */
async function* watch(options: ListWatchOptions, from: string, signal: AbortSignal): AsyncGenerator<string, void> {
  const { kube, resource, namespace, labelSelector, sink } = options
  const query = {
    ...selectors(labelSelector === undefined ? {} : { labelSelector }),
    watch: 'true',
    resourceVersion: from,
    allowWatchBookmarks: 'true',
    // Drawn, so that the watches of many controllers do not end together.
    timeoutSeconds: String(Math.round(300 + 300 * options.random())),
  }
  const path = collectionPath(resource, namespace)
  const pieces = await kube.stream({ path, query, signal, inactivityMs: options.inactivityMs })
  for await (const event of watchEvents(pieces)) {
    if (event.type === 'ERROR') throw errorOfAnswer(`watch ${path}`, codeOf(event.object), event.object)
    if (event.type === 'DELETED') sink.remove(event.object)
    else if (event.type !== 'BOOKMARK') sink.put(event.object)
    const version = event.object.metadata.resourceVersion
    if (version === undefined) throw new KubeError('Other', 0, `watch ${path}: an event without a version`)
    sink.reached(version)
    yield version
  }
}

function codeOf(status: unknown): number {
  if (typeof status !== 'object' || status === null || !('code' in status)) return 500
  return typeof status.code === 'number' ? status.code : 500
}
