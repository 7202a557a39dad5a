import { cacheKeyOf } from './object-cache.ts'
import { isAtLeastVersion } from './resource-version.ts'

/** Our own writes that a cache has not shown yet. */
export type OwnWrites = {
  note(namespace: string, name: string, resourceVersion: string): void
  /** Whether one of these versions is as new as our last write of the object. */
  areIn(namespace: string, name: string, versions: readonly (string | undefined)[]): boolean
  /** A list of a namespace (or of everything, '') begins... */
  listing(namespace: string): void
  /** ...and is complete, so that it holds every write from before it began. */
  listed(namespace: string): void
}

/** No writes yet. */
export function createOwnWrites(): OwnWrites {
  const noted = new Map<string, string>()
  const before = new Map<string, ReadonlyMap<string, string>>()
  return {
    note(namespace, name, resourceVersion) {
      const key = cacheKeyOf(namespace, name)
      const old = noted.get(key)
      if (old === undefined || !isAtLeastVersion(old, resourceVersion)) noted.set(key, resourceVersion)
    },
    areIn(namespace, name, versions) {
      const key = cacheKeyOf(namespace, name)
      const wanted = noted.get(key)
      if (wanted === undefined) return true
      const enough = versions.some((version) => version !== undefined && isAtLeastVersion(version, wanted))
      if (enough) noted.delete(key)
      return enough
    },
    listing: (namespace) => void before.set(namespace, new Map(noted)),
    listed(namespace) {
      for (const [key, version] of before.get(namespace) ?? []) {
        const inScope = namespace === '' || key.startsWith(`${namespace}/`)
        if (inScope && noted.get(key) === version) noted.delete(key)
      }
      before.delete(namespace)
    },
  }
}
