import { parseArgs, styleText } from 'node:util'
import { formatEvent, type LinePart } from '@slotkeeper/events'
import { connectNats, subscribe, type SubscribeFrom } from '@slotkeeper/nats'

const usage = `Prints what happens to Redis and Valkey, one line an event.

  node subscribe.ts [--live | --from N | --durable NAME] [--url nats://127.0.0.1:4222] [--filter SUBJECT] [--creds FILE]

  --live          what happens from now on (the default)
  --from N        everything from stream sequence N on; 1 is the beginning
  --durable NAME  from where NAME stopped the last time
`
const colours = { time: 'gray', kind: 'gray', name: 'bold', type: 'cyan', text: 'reset' } as const

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
// Whoever reads may have read enough, as `| head` has.
process.stdout.on('error', () => process.exit(0))
try {
  await main()
} catch (error) {
  if (!stop.signal.aborted) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
  stop.abort()
}

async function main(): Promise<void> {
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
  if (values.help) return void process.stdout.write(usage)

  const from = beginning(values)
  const connection = await connectNats({
    url: values.url,
    name: 'example-subscriber',
    signal: stop.signal,
    onTrouble: (message) => process.stderr.write(`waiting for ${values.url}: ${message}\n`),
    ...(values.creds === undefined ? {} : { credsFile: values.creds }),
  })
  const events = await subscribe({ connection, from, filter: values.filter, signal: stop.signal })
  process.stderr.write(`subscribed to ${values.filter} ${inWords(from)}; Ctrl-C ends\n`)
  for await (const { event, ack } of events) {
    process.stdout.write(`${formatEvent(event.cloudEvent, { paint })}\n`)
    // After the work, never before: what is not acknowledged comes again.
    await ack()
  }
}

function beginning({ from, durable }: { readonly from?: string; readonly durable?: string }): SubscribeFrom {
  if (durable !== undefined) return { durable }
  if (from === undefined) return { live: true }
  if (!/^[1-9]\d*$/.test(from)) throw new Error(`--from wants a stream sequence, 1 or more, not ${from}`)
  return { sequence: Number(from) }
}

function inWords(from: SubscribeFrom): string {
  if ('durable' in from) return `as ${from.durable}`
  return 'live' in from ? 'from now on' : `from sequence ${from.sequence}`
}

/** Colours on a terminal, plain text for a file or a pipe. */
function paint(part: LinePart, text: string): string {
  return styleText(colours[part], text, { stream: process.stdout })
}
