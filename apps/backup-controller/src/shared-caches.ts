import type { Key } from '@slotkeeper/controller'
import type { Kube } from '@slotkeeper/k8s'
import { type Caches, startCaches } from './caches.ts'

type Kind = 'backup' | 'storage'
type SharedOptions = {
  readonly kube: Kube
  readonly namespaces: readonly string[]
  readonly onProblem: (error: unknown) => void
}
type Listener = {
  readonly wake: (key: Key) => void
  readonly onAccess: (namespace: string, allowed: boolean) => void
}

/** The caches of a process: both kinds look at the same. They are started with the first kind that listens. */
export class SharedCaches {
  readonly #options: SharedOptions
  readonly #listeners: Partial<Record<Kind, Listener>> = {}
  #caches: Caches | undefined

  constructor(options: SharedOptions) {
    this.#options = options
  }

  /** Wakes the objects of a kind whenever something changes that may concern them, what is there already included. */
  follow(kind: Kind, listener: Listener, signal: AbortSignal): void {
    this.#listeners[kind] = listener
    const wake = (which: Kind) => (key: Key) => this.#listeners[which]?.wake(key)
    const tell = (which: Kind) => (namespace: string, allowed: boolean) =>
      this.#listeners[which]?.onAccess(namespace, allowed)
    this.#caches ??= startCaches(
      {
        ...this.#options,
        wakes: { backup: wake('backup'), storage: wake('storage') },
        onAccess: { backup: tell('backup'), storage: tell('storage') },
      },
      signal,
    )
    const there = kind === 'backup' ? this.#caches.backups.list() : this.#caches.storages.list()
    for (const { namespace, name } of there) listener.wake({ namespace, name })
  }

  /** The caches, once all of a namespace was listed. */
  async synced(signal: AbortSignal, namespace: string): Promise<Caches> {
    if (this.#caches === undefined) throw new Error('observed before the watches were started')
    await this.#caches.synced(signal, namespace)
    return this.#caches
  }
}
