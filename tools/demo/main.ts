import { join } from 'node:path'
import { formatEvent } from '@slotkeeper/events'
import type { Delivery } from '@slotkeeper/nats'
import { startPlatform, type Platform } from '../local/src/index.ts'
import { follow, healthy, install, readCluster, storyFaults, until, writeTo } from './tour.ts'

/** The demo: a real cluster created, broken and healed. Exit code 0 only if every promise held. */
const colour = process.stdout.isTTY === true
const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
const began = performance.now()
const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`
const say = (text: string): void => console.log(`${paint(2, seconds())}  ${paint(1, text)}`)
const ok = (text: string): void => console.log(`${paint(2, seconds())}  ${paint(32, 'ok')} ${text}`)
const stop = new AbortController()
const namespace = 'shop'
const name = 'orders'
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error('interrupted')))

const story: Delivery[] = []
const failures: string[] = []
const demand = (holds: boolean, text: string): void => {
  if (holds) return ok(text)
  failures.push(text)
  console.log(`${paint(2, seconds())}  ${paint(31, 'NOT')} ${text}`)
}

let platform: Platform | undefined
try {
  say('Starting a real Kubernetes: three nodes in three zones')
  platform = await startPlatform({ name: `demo-${process.pid}`, signal: stop.signal })
  await tour(platform)
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error))
  console.error(paint(31, `The demo stopped: ${failures.at(-1)}`))
} finally {
  stop.abort()
  say('Cleaning up')
  await platform?.stop()
}
console.log(
  failures.length === 0
    ? paint(32, '\nEverything held.')
    : paint(31, `\n${failures.length} of the promises did not hold.`),
)
process.exit(failures.length === 0 ? 0 : 1)

async function tour(on: Platform): Promise<void> {
  say('Installing Slotkeeper: kubectl apply -k deploy/crds, then deploy/overlays/local')
  await install(on)
  const show = (delivery: Delivery): void => {
    story.push(delivery)
    console.log(`        ${paint(36, formatEvent(delivery.event.cloudEvent))}`)
  }
  say('Creating a cluster: kubectl apply -f examples/clusters/orders.yaml')
  await on.kubectl(['create', 'namespace', namespace])
  const applied = performance.now()
  await on.kubectl(['-n', namespace, 'apply', '-f', join(import.meta.dirname, '../../examples/clusters/orders.yaml')])
  const reading = await follow(on, show, stop.signal)
  const formed = await healthy(on, namespace, name)
  ok(`three primaries and three replicas, Healthy ${((performance.now() - applied) / 1000).toFixed(1)} s after apply`)

  say('Writing 500 keys a second with an ordinary client')
  const writer = await writeTo(on, namespace, name, 500)
  await until('first 1,000 writes', 30_000, async () => (writer.record().acknowledged.size >= 1_000 ? true : undefined))

  const victim = formed.status?.topology?.[1]?.primary ?? ''
  say(`Killing the primary of shard 1: SIGKILL to ${victim}`)
  await on.switchboard.killInPod(namespace, victim, 'SIGKILL')
  await until('the heal', 60_000, async () => {
    const { status } = await readCluster(on, namespace, name)
    const shard = status?.topology?.[1]
    return status?.state === 'Healthy' &&
      story.some(({ event }) => event.type === 'MemberRestarted' || event.type === 'PrimaryChanged') &&
      shard?.attached?.length === 1
      ? true
      : undefined
  })
  const before = writer.record().acknowledged.size
  await until('1,000 more writes', 30_000, async () =>
    writer.record().acknowledged.size >= before + 1_000 ? true : undefined,
  )
  const record = await writer.finish()
  const missing = await writer.missing()
  writer.close()
  ok(
    `${record.acknowledged.size} writes acknowledged, ${record.failed} refused, longest gap ${Math.round(record.longestGapMs)} ms`,
  )
  demand(missing.confirmed.length === 0, `all ${record.confirmed.size} writes that a replica confirmed are there`)
  demand(
    missing.acknowledged.length <= 50,
    `${missing.acknowledged.length} of the unconfirmed were lost (bound: what was under way at the kill)`,
  )

  say('Replaying the whole story from the stream')
  const { status } = await until('an empty outbox', 30_000, async () => {
    const cluster = await readCluster(on, namespace, name)
    return story.length === cluster.status?.lifecycle?.seq ? cluster : undefined
  })
  demand(
    storyFaults(story).length === 0 && story.length === status?.lifecycle?.seq,
    `${story.length} events, in order, none missing, none twice`,
  )
  stop.abort()
  await reading.done
}
