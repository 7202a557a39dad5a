import type { Clock, Key, Timers } from './contract.ts'

/** What a queue runs on. `work` answers when to look again, or null for not until something wakes the key. */
export type QueueOptions = {
  readonly clock: Clock
  readonly timers: Timers
  /** Keys worked on at the same time. */
  readonly concurrency: number
  readonly work: (key: Key) => Promise<number | null>
}

/** Keys that wait for a look, each at most once. */
export type Queue = {
  /** Looks at the key as soon as possible. A key that is being worked on is looked at once more afterwards. */
  add(key: Key): void
  /** Looks at the key after `ms`, or earlier when that was already agreed. */
  addAfter(key: Key, ms: number): void
  /** Takes nothing more and resolves when the work under way has ended. */
  drain(): Promise<void>
  /** Keys that are due, and keys being worked on. */
  size(): { readonly due: number; readonly working: number }
}

type Later = { readonly at: number; readonly cancel: () => void }

/** The name under which a key is counted. Kubernetes names hold no slash. */
export function nameOf(key: Key): string {
  return `${key.namespace}/${key.name}`
}

/** Makes a queue with one worker per key and `concurrency` keys at once, first come first served. */
export function createQueue(options: QueueOptions): Queue {
  const due = new Map<string, Key>()
  const later = new Map<string, Later>()
  const working = new Set<string>()
  const drained: (() => void)[] = []
  let draining = false

  const add = (key: Key): void => {
    if (draining) return
    const name = nameOf(key)
    // The coming look says when to look again, so an agreed later one is void.
    later.get(name)?.cancel()
    later.delete(name)
    due.set(name, key)
    startDue()
  }

  const addAfter = (key: Key, ms: number): void => {
    const name = nameOf(key)
    if (draining || due.has(name)) return
    const at = options.clock.now() + Math.max(0, ms)
    const agreed = later.get(name)
    if (agreed !== undefined && agreed.at <= at) return
    agreed?.cancel()
    later.set(name, { at, cancel: options.timers.after(Math.max(0, ms), () => add(key)) })
  }

  const startDue = (): void => {
    for (const [name, key] of due) {
      if (working.size >= options.concurrency) return
      if (working.has(name)) continue
      due.delete(name)
      working.add(name)
      void workOn(name, key)
    }
  }

  const workOn = async (name: string, key: Key): Promise<void> => {
    let lookAgainInMs: number | null = null
    try {
      lookAgainInMs = await options.work(key)
    } finally {
      working.delete(name)
      if (lookAgainInMs !== null) addAfter(key, lookAgainInMs)
      if (draining && working.size === 0) drained.forEach((resolve) => resolve())
      startDue()
    }
  }

  const drain = (): Promise<void> => {
    draining = true
    due.clear()
    later.forEach((agreed) => agreed.cancel())
    later.clear()
    return working.size === 0 ? Promise.resolve() : new Promise((resolve) => drained.push(resolve))
  }

  return { add, addAfter, drain, size: () => ({ due: due.size, working: working.size }) }
}
