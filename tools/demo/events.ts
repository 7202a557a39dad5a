import { formatEvent } from '@slotkeeper/events'
import type { Delivery } from '@slotkeeper/nats'
import { attachPlatform } from '../local/src/index.ts'
import { paintLine } from './paint-line.ts'
import { follow } from './tour.ts'

const print = ({ event }: Delivery): void => console.log(formatEvent(event.cloudEvent, { paint: paintLine }))

/** Prints the events of a platform that `make up` started, from the beginning and then as they happen. */
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
// Whoever reads may have read enough.
process.stdout.on('error', () => process.exit(0))
try {
  const platform = await attachPlatform(process.argv[2] ?? 'default')
  const { done } = await follow(platform, print, stop.signal)
  await done
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}
process.exit(0)
