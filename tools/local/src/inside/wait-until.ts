import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again and again until the answer is true; says what was waited for when the deadline comes first. */
export async function waitUntil(
  what: string,
  deadline: number,
  signal: AbortSignal,
  check: () => Promise<boolean>,
  pause = 50,
): Promise<void> {
  const end = Date.now() + deadline
  let last = ''
  for (;;) {
    signal.throwIfAborted()
    const done = await check().catch((error: unknown) => {
      last = error instanceof Error ? error.message : String(error)
      return false
    })
    if (done) return
    if (Date.now() > end) throw new Error(`${what}: not after ${deadline} ms${last === '' ? '' : ` (${last})`}`)
    await sleep(pause, undefined, { signal })
  }
}
