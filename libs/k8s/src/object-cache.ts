import type { KubeObject } from './objects.ts'

/** What happened to an object; the same name with another uid is a deletion, then an addition. */
export type Change<T> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'modified'; readonly object: T; readonly previous: T }
  | { readonly type: 'deleted'; readonly object: T }

/** Objects by namespace and name, with indexes by label. */
export type ObjectCache<T> = {
  get(namespace: string, name: string): T | undefined
  list(namespace?: string): readonly T[]
  /** All with this label; the label must be one of those that are indexed. */
  byLabel(label: string, value: string, namespace?: string): readonly T[]
  versionOf(namespace: string, name: string): string | undefined
  /** What a watch event or an item of a list changes. */
  put(object: KubeObject): readonly Change<T>[]
  /** What a deletion changes; of another uid it changes nothing. */
  remove(object: KubeObject): readonly Change<T>[]
  /** What is deleted when these are all objects of a scope (a namespace, or everything). */
  removeAllBut(kept: ReadonlySet<string>, scope: string): readonly Change<T>[]
}

type Entry<T> = {
  readonly namespace: string
  readonly uid: string
  readonly version: string
  readonly labels: Readonly<Record<string, string>>
  readonly object: T
}

/** Where an object is kept. */
export function cacheKeyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

/** An empty cache that keeps what `project` leaves of an object. */
export function createObjectCache<T>(project: (object: KubeObject) => T, labels: readonly string[]): ObjectCache<T> {
  const entries = new Map<string, Entry<T>>()
  const index = createLabelIndex(labels)

  function drop(key: string, entry: Entry<T>): Change<T> {
    entries.delete(key)
    index.remove(key, entry.labels)
    return { type: 'deleted', object: entry.object }
  }

  function put(object: KubeObject): readonly Change<T>[] {
    const entry = entryOf(object, project)
    const key = cacheKeyOf(entry.namespace, object.metadata.name)
    const old = entries.get(key)
    // An older version is believed: lists are quorum reads, so it means that etcd was restored.
    if (old !== undefined && old.uid === entry.uid && old.version === entry.version) return []
    const gone = old !== undefined && old.uid !== entry.uid ? [drop(key, old)] : []
    if (old !== undefined) index.remove(key, old.labels)
    entries.set(key, entry)
    index.add(key, entry.labels)
    if (old === undefined || gone.length > 0) return [...gone, { type: 'added', object: entry.object }]
    return [{ type: 'modified', object: entry.object, previous: old.object }]
  }

  function select(keys: Iterable<string>, namespace: string | undefined): readonly T[] {
    const found: T[] = []
    for (const key of keys) {
      const entry = entries.get(key)
      if (entry !== undefined && (namespace === undefined || entry.namespace === namespace)) found.push(entry.object)
    }
    return found
  }

  return {
    get: (namespace, name) => entries.get(cacheKeyOf(namespace, name))?.object,
    list: (namespace) => select(entries.keys(), namespace),
    byLabel: (label, value, namespace) => select(index.get(label, value), namespace),
    versionOf: (namespace, name) => entries.get(cacheKeyOf(namespace, name))?.version,
    put,
    remove(object) {
      const key = cacheKeyOf(object.metadata.namespace ?? '', object.metadata.name)
      const old = entries.get(key)
      return old === undefined || old.uid !== object.metadata.uid ? [] : [drop(key, old)]
    },
    removeAllBut(kept, scope) {
      const gone = [...entries].filter(([key, entry]) => !kept.has(key) && (scope === '' || entry.namespace === scope))
      return gone.map(([key, entry]) => drop(key, entry))
    },
  }
}

function entryOf<T>(object: KubeObject, project: (object: KubeObject) => T): Entry<T> {
  const { namespace = '', uid = '', resourceVersion = '', labels = {} } = object.metadata
  return { namespace, uid, version: resourceVersion, labels, object: project(object) }
}

type LabelIndex = {
  add(key: string, labels: Readonly<Record<string, string>>): void
  remove(key: string, labels: Readonly<Record<string, string>>): void
  get(label: string, value: string): ReadonlySet<string>
}

function createLabelIndex(labels: readonly string[]): LabelIndex {
  const keysOf = new Map<string, Map<string, Set<string>>>(labels.map((label) => [label, new Map()]))
  return {
    add(key, own) {
      for (const [label, byValue] of keysOf) {
        const value = own[label]
        if (value === undefined) continue
        const keys = byValue.get(value) ?? new Set()
        byValue.set(value, keys.add(key))
      }
    },
    remove(key, own) {
      for (const [label, byValue] of keysOf) {
        const keys = byValue.get(own[label] ?? '')
        keys?.delete(key)
        if (keys?.size === 0) byValue.delete(own[label] ?? '')
      }
    },
    get(label, value) {
      const byValue = keysOf.get(label)
      if (byValue === undefined) throw new Error(`label ${label} is not indexed`)
      return byValue.get(value) ?? new Set()
    },
  }
}
