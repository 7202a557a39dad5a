import { isKubeError } from './errors.ts'
import { type ListWatchSink, listAndWatch } from './list-watch.ts'
import { type Change, createObjectCache } from './object-cache.ts'
import type { KubeObject } from './objects.ts'
import type { ResourceDescriptor } from './resource.ts'
import { createOwnWrites } from './own-writes.ts'
import type { Kube } from './transport.ts'

/** What to follow, and what to keep of it. */
export type ReflectorOptions<T> = {
  readonly kube: Kube
  readonly resource: ResourceDescriptor
  /** All namespaces when empty or absent. */
  readonly namespaces?: readonly string[]
  readonly labelSelector?: string
  /** Keep only what is needed: memory is the cost of a cache. */
  readonly project: (object: KubeObject) => T
  /** Labels that `byLabel` can ask for. */
  readonly indexLabels?: readonly string[]
  readonly onChange?: (change: Change<T>) => void | Promise<void>
  /** A failed list or watch, or an exception of `onChange` or `project`. Following goes on. */
  readonly onProblem: (error: unknown) => void
  /** Told when a namespace (all of them: empty) begins to be refused to us, and when it is readable again. */
  readonly onAccess?: (namespace: string, allowed: boolean) => void
  /** The longest silence of a watch; less than two minutes makes idle watches reconnect. */
  readonly inactivityMs?: number
  readonly random?: () => number
  readonly backoffMs?: { readonly min: number; readonly max: number }
}

/** A cache of all objects of a kind that follows the API server through its failures. */
export type Reflector<T> = {
  get(namespace: string, name: string): T | undefined
  list(namespace?: string): readonly T[]
  byLabel(label: string, value: string, namespace?: string): readonly T[]
  /** Remember a write of our own... */
  noteWrite(namespace: string, name: string, resourceVersion: string): void
  /** ...to know whether what the cache says of this object is at least as new. */
  isAtLeast(namespace: string, name: string): boolean
  /** Whether every namespace was listed once. */
  hasSynced(): boolean
  /** Resolves when it has, or only the namespace that is named; throws the signal's reason. */
  synced(signal: AbortSignal, namespace?: string): Promise<void>
  /** Resolves after the signal that it was started with has fired and all its connections are closed. */
  readonly stopped: Promise<void>
}

/**
 * Above the API server's silence before the first bookmark of an idle watch (120 s measured on 1.36; 60 s from then on).
 * A vanished server is found sooner, by the probes of the connection; this is for what stays connected and says nothing.
 */
const INACTIVITY_MS = 130_000

/** Starts to follow; the signal stops it. */
export function startReflector<T>(options: ReflectorOptions<T>, signal: AbortSignal): Reflector<T> {
  const scopes =
    options.namespaces === undefined || options.namespaces.length === 0 ? [''] : [...new Set(options.namespaces)]
  const cache = createObjectCache(options.project, options.indexLabels ?? [])
  const reached = new Map<string, string>()
  const ownWrites = createOwnWrites()
  const firsts = firstLists(scopes)
  const refused = new Set<string>()
  const tell = teller(options)

  const sinkOf = (scope: string): ListWatchSink => ({
    put: (object) => tell(() => cache.put(object)),
    remove: (object) => tell(() => cache.remove(object)),
    listing: () => ownWrites.listing(scope),
    listed(keys) {
      tell(() => cache.removeAllBut(keys, scope))
      ownWrites.listed(scope)
    },
    reached(version) {
      reached.set(scope, version)
      firsts.came(scope)
      if (refused.delete(scope)) options.onAccess?.(scope, true)
    },
    problem: (error) => {
      tell(() => report(options, error))
      if (!isKubeError(error, 'Forbidden') || refused.has(scope)) return
      refused.add(scope)
      options.onAccess?.(scope, false)
    },
  })
  const loops = scopes.map((namespace) => {
    return listAndWatch(
      {
        kube: options.kube,
        resource: options.resource,
        namespace,
        labelSelector: options.labelSelector,
        inactivityMs: options.inactivityMs ?? INACTIVITY_MS,
        backoffMs: options.backoffMs ?? { min: 100, max: 10_000 },
        random: options.random ?? Math.random,
        sink: sinkOf(namespace),
      },
      signal,
    )
  })

  return {
    get: cache.get,
    list: cache.list,
    byLabel: cache.byLabel,
    noteWrite: ownWrites.note,
    // Versions are common to all objects of a kind: when the watch is past ours, a deletion has been seen too.
    isAtLeast: (namespace, name) =>
      ownWrites.areIn(namespace, name, [
        cache.versionOf(namespace, name),
        reached.get(reached.has(namespace) ? namespace : ''),
      ]),
    hasSynced: () => reached.size === scopes.length,
    synced: (until, namespace) => orAborted(firsts.of(namespace), until),
    stopped: Promise.all(loops).then(() => {}),
  }
}

/** What waits for the first list of each scope, or of the one that a namespace lies in. */
function firstLists(scopes: readonly string[]): {
  came(scope: string): void
  of(namespace: string | undefined): Promise<void>
} {
  const waits = new Map(scopes.map((scope) => [scope, Promise.withResolvers<void>()]))
  const all = Promise.all([...waits.values()].map(({ promise }) => promise)).then(() => {})
  return {
    came: (scope) => waits.get(scope)?.resolve(),
    of: (namespace) => (namespace === undefined ? all : ((waits.get(namespace) ?? waits.get(''))?.promise ?? all)),
  }
}

/** Runs a change of the cache and tells of it; an exception of the user's code is reported, never thrown. */
function teller<T>({ onChange, onProblem }: ReflectorOptions<T>): (change: () => readonly Change<T>[]) => void {
  const failed = (error: unknown): void => {
    try {
      onProblem(error)
    } catch {
      // Whoever reports problems by throwing has nobody left to tell.
    }
  }
  return (change) => {
    try {
      for (const one of change()) {
        try {
          Promise.resolve(onChange?.(one)).catch(failed)
        } catch (error) {
          failed(error)
        }
      }
    } catch (error) {
      failed(error)
    }
  }
}

function report<T>(options: ReflectorOptions<T>, error: unknown): readonly Change<T>[] {
  options.onProblem(error)
  return []
}

function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    void promise.then(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}
