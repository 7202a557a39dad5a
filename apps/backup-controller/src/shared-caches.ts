import type { Key } from '@slotkeeper/controller'
import type { Kube } from '@slotkeeper/k8s'
import type { WatchedKind } from './app-command.ts'
import { type Caches, startCaches } from './caches.ts'

type SharedOptions = {
  readonly kube: Kube
  readonly namespaces: readonly string[]
  readonly onProblem: (error: unknown) => void
}
type Listener = {
  readonly wake: (key: Key) => void
  readonly onAccess: (namespace: string, allowed: boolean) => void
}

/** The caches of a process: all kinds look at the same. They are started with the first kind that listens. */
export class SharedCaches {
  readonly #options: SharedOptions
  readonly #listeners: Partial<Record<WatchedKind, Listener>> = {}
  #caches: Caches | undefined

  constructor(options: SharedOptions) {
    this.#options = options
  }

  /** Wakes the objects of a kind whenever something changes that may concern them, what is there already included. */
  follow(kind: WatchedKind, listener: Listener, signal: AbortSignal): void {
    this.#listeners[kind] = listener
    const wake = (which: WatchedKind) => (key: Key) => this.#listeners[which]?.wake(key)
    const tell = (which: WatchedKind) => (namespace: string, allowed: boolean) =>
      this.#listeners[which]?.onAccess(namespace, allowed)
    this.#caches ??= startCaches(
      {
        ...this.#options,
        wakes: { backup: wake('backup'), storage: wake('storage'), schedule: wake('schedule') },
        onAccess: { backup: tell('backup'), storage: tell('storage'), schedule: tell('schedule') },
      },
      signal,
    )
    const { backups: backup, storages: storage, schedules: schedule } = this.#caches
    const there: readonly Key[] = { backup, storage, schedule }[kind].list()
    for (const { namespace, name } of there) listener.wake({ namespace, name })
  }

  /** The caches, once all of a namespace was listed. */
  async synced(signal: AbortSignal, namespace: string): Promise<Caches> {
    if (this.#caches === undefined) throw new Error('observed before the watches were started')
    await this.#caches.synced(signal, namespace)
    return this.#caches
  }
}
