import { parseArgs } from 'node:util'
import { formatEvent } from '@slotkeeper/events'
import { connectNats, subscribe, type SubscribeFrom } from '@slotkeeper/nats'

const usage = `Prints what happens to Redis and Valkey, one line an event.

  node subscribe.ts [--live | --from N | --durable NAME] [--url nats://127.0.0.1:4222] [--filter SUBJECT] [--creds FILE]

  --live          what happens from now on (the default)
  --from N        everything from stream sequence N on; 1 is the beginning
  --durable NAME  from where NAME stopped the last time
`

const { values } = parseArgs({
  options: {
    live: { type: 'boolean', default: false },
    from: { type: 'string' },
    durable: { type: 'string' },
    url: { type: 'string', default: 'nats://127.0.0.1:4222' },
    filter: { type: 'string', default: 'redis.evt.>' },
    creds: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(usage)
  process.exit(0)
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const start = (): SubscribeFrom => {
  if (values.durable !== undefined) return { durable: values.durable }
  return values.from === undefined ? { live: true } : { sequence: Number(values.from) }
}

const connection = await connectNats({
  url: values.url,
  name: 'example-subscriber',
  signal: stop.signal,
  onTrouble: (message) => process.stderr.write(`waiting for ${values.url}: ${message}\n`),
  ...(values.creds === undefined ? {} : { credsFile: values.creds }),
})
const events = await subscribe({ connection, from: start(), filter: values.filter, signal: stop.signal })
for await (const { event, ack } of events) {
  process.stdout.write(`${formatEvent(event.cloudEvent)}\n`)
  // After the work, never before: what is not acknowledged comes again.
  await ack()
}
