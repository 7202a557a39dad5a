import { formatEvent } from '@slotkeeper/events'
import { attachPlatform } from '../local/src/index.ts'
import { follow } from './tour.ts'

/** Prints the events of a platform that `make up` started, from the beginning and then as they happen. */
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
try {
  const platform = await attachPlatform(process.argv[2] ?? 'default')
  const { done } = await follow(platform, ({ event }) => console.log(formatEvent(event.cloudEvent)), stop.signal)
  await done
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}
process.exit(0)
