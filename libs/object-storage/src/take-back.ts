import { setTimeout as sleep } from 'node:timers/promises'
import { atMost, Bounds } from './bounds.ts'
import { StorageError } from './storage-error.ts'

const TAKE_BACK_MS = 10_000
const PAUSE_MS = 200

/**
 * Removes what a put that failed has sent, so that it is not paid for: in a little time of its own, since the call's may be over, and
 * more than once, since what made the put fail may last a moment longer. What is left then is the sweep's.
 *
 * @param pending a part that still arrives, which would outlast it
 * @param remove rejects with a StorageError
 */
export async function takeBack(pending: Promise<unknown>, remove: (bounds: Bounds) => Promise<unknown>): Promise<void> {
  await atMost(TAKE_BACK_MS, pending)
  const bounds = new Bounds({ signal: new AbortController().signal, deadlineMs: TAKE_BACK_MS })
  await atMost(TAKE_BACK_MS, removed(bounds, remove))
}

async function removed(bounds: Bounds, remove: (bounds: Bounds) => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      return void (await remove(bounds))
    } catch (error) {
      if (!(error instanceof StorageError && error.mayPass) || bounds.signal.aborted) throw error
      await sleep(PAUSE_MS, undefined, { signal: bounds.signal })
    }
  }
}
