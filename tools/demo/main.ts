import { join } from 'node:path'
import { styleText } from 'node:util'
import { formatEvent } from '@slotkeeper/events'
import type { Delivery } from '@slotkeeper/nats'
import type { RecordingWriter } from '@slotkeeper/testing'
import { startPlatform, type Platform } from '../local/src/index.ts'
import { backUp, loseEverything, restore } from './lose-and-restore.ts'
import { paintLine } from './paint-line.ts'
import {
  type ClusterView,
  follow,
  healthy,
  install,
  lifecycles,
  podsOf,
  readCluster,
  storyFaults,
  until,
  writeTo,
} from './tour.ts'

/** The demo: a real cluster created, broken, healed, lost and restored. Exit code 0 only if every promise held. */
const began = performance.now()
const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`
const line = (text: string): void => console.log(`${styleText('dim', seconds())}  ${text}`)
const say = (text: string): void => line(styleText('bold', text))
const ok = (text: string): void => line(`${styleText('green', 'ok')} ${text}`)
const stop = new AbortController()
const namespace = 'shop'
const name = 'orders'
/** Of the longest of the names that are told of, `shop/orders-again`. */
const NAME_WIDTH = 17
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error('interrupted')))

const story: Delivery[] = []
const failures: string[] = []
const demand = (holds: boolean, text: string): void => {
  if (holds) return ok(text)
  failures.push(text)
  line(`${styleText('red', 'NOT')} ${text}`)
}

let platform: Platform | undefined
try {
  say('Starting a real Kubernetes: three nodes in three zones')
  platform = await startPlatform({ name: `demo-${process.pid}`, signal: stop.signal })
  await tour(platform)
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error))
  console.error(styleText('red', `The demo stopped: ${failures.at(-1)}`, { stream: process.stderr }))
} finally {
  stop.abort()
  say('Cleaning up')
  await platform?.stop()
}
console.log(
  failures.length === 0
    ? styleText('green', '\nEverything held.')
    : styleText('red', `\n${failures.length} of the promises did not hold.`),
)
process.exit(failures.length === 0 ? 0 : 1)

async function tour(on: Platform): Promise<void> {
  say('Installing Slotkeeper: kubectl apply -k deploy/crds, then deploy/overlays/local')
  await install(on)
  const show = (delivery: Delivery): void => {
    story.push(delivery)
    console.log(`         ${formatEvent(delivery.event.cloudEvent, { paint: paintLine, nameWidth: NAME_WIDTH })}`)
  }
  say('Creating a cluster: kubectl apply -f examples/clusters/orders.yaml')
  await on.kubectl(['create', 'namespace', namespace])
  const applied = performance.now()
  await on.kubectl(['-n', namespace, 'apply', '-f', join(import.meta.dirname, '../../examples/clusters/orders.yaml')])
  const reading = await follow(on, show, stop.signal)
  const formed = await healthy(on, namespace, name)
  const formedAfter = ((performance.now() - applied) / 1000).toFixed(1)
  await allTold(on)
  ok(`three primaries and three replicas, Healthy ${formedAfter} s after apply`)

  say('Writing 500 keys a second with an ordinary client')
  const writer = await writeTo(on, namespace, name, 500)
  await until('first 1,000 writes', 30_000, async () => (writer.record().acknowledged.size >= 1_000 ? true : undefined))

  await killPrimary(on, formed, 1)
  await goOn(writer)

  await killUntold(on)
  await goOn(writer)

  await deleteAll(on)
  await goOn(writer)

  const record = await writer.finish()
  const missing = await writer.missing()
  writer.close()
  const absent = new Set(missing.acknowledged)
  const kept = [...record.acknowledged].filter((key) => !absent.has(key))
  ok(`${record.acknowledged.size} writes acknowledged`)
  demand(missing.confirmed.length === 0, `all ${record.confirmed.size} writes that a replica confirmed are there`)
  demand(
    missing.acknowledged.length <= 150,
    `${missing.acknowledged.length} of the unconfirmed were lost (bound: what was under way at the three faults)`,
  )

  const theatre = { on, namespace, say, ok }
  await backUp(theatre)
  await loseEverything(theatre)
  const lost = await restore(theatre, kept)
  demand(lost === 0, `all ${kept.length} keys of the backup are in the new cluster`)

  const told = await allTold(on)
  say('Replaying the whole story from the stream')
  const again = await replay(on, told)
  const ids = (events: readonly Delivery[]): string => events.map(({ event }) => event.cloudEvent.id).join(' ')
  demand(
    storyFaults(again).length === 0 && again.length === told && ids(again) === ids(story),
    `${again.length} events, in order, none missing, none twice`,
  )
  stop.abort()
  await reading.done
}

/** Kills the primary of a shard, and waits until its pod is back in a whole cluster. */
async function killPrimary(on: Platform, { status }: ClusterView, number: number): Promise<void> {
  const shard = status?.topology?.[number]
  const victim = shard?.primary ?? ''
  say(`Killing the primary of shard ${number}: SIGKILL to ${victim}`)
  await on.switchboard.killInPod(namespace, victim, 'SIGKILL')
  await until('the return of the killed', 60_000, async () => {
    const now = (await readCluster(on, namespace, name)).status?.topology?.[number]?.incarnations?.[victim]
    return now === undefined || now === shard?.incarnations?.[victim] ? undefined : true
  })
  await healthy(on, namespace, name)
}

/** The same while NATS is stopped: healing waits for nobody, and what happened is told afterwards. */
async function killUntold(on: Platform): Promise<void> {
  const nats = ['slotkeeper-system', 'slotkeeper-nats-0'] as const
  say('Stopping NATS: SIGSTOP to slotkeeper-nats-0')
  await on.switchboard.killInPod(...nats, 'SIGSTOP')
  await killPrimary(on, await readCluster(on, namespace, name), 2)
  const { status } = await readCluster(on, namespace, name)
  const waiting = status?.outbox?.length ?? 0
  demand(waiting > 0, `healed while nobody could be told: ${waiting} events wait in the status`)
  await on.switchboard.killInPod(...nats, 'SIGCONT')
  await allTold(on)
  ok('NATS goes on, and all of it has been told')
}

/** Deletes every pod, and waits until there are as many others in a whole cluster. */
async function deleteAll(on: Platform): Promise<void> {
  say(`Deleting all pods at once: kubectl delete pods -l slotkeeper.dev/cluster=${name}`)
  const before = await podsOf(on, namespace, name)
  const started = performance.now()
  await on.kubectl(['-n', namespace, 'delete', 'pods', '-l', `slotkeeper.dev/cluster=${name}`, '--wait=false'])
  await until('other pods', 90_000, async () => {
    const uids = new Set((await podsOf(on, namespace, name)).map((pod) => pod.metadata.uid))
    return uids.size === before.length && before.every((pod) => !uids.has(pod.metadata.uid)) ? true : undefined
  })
  await healthy(on, namespace, name)
  ok(`six new pods over the old volumes, Healthy ${((performance.now() - started) / 1000).toFixed(1)} s later`)
}

/** Waits until the client writes as before, and says what it has met so far. */
async function goOn(writer: RecordingWriter): Promise<void> {
  const before = writer.record().acknowledged.size
  await until('500 more writes', 60_000, async () =>
    writer.record().acknowledged.size >= before + 500 ? true : undefined,
  )
  const { longestGapMs, failed } = writer.record()
  ok(`the client writes; its longest pause so far: ${Math.round(longestGapMs)} ms, calls refused so far: ${failed}`)
}

/** Waits until everything that was committed of what is there has been printed; gives how many events that are. */
async function allTold(on: Platform): Promise<number> {
  return until('an empty outbox', 30_000, async () => {
    const behind = (await lifecycles(on, namespace)).filter(
      ({ uid, seq }) => story.filter(({ event }) => event.uid === uid).length !== seq,
    )
    return behind.length === 0 ? story.length : undefined
  })
}

/** Reads as many events as that from the beginning of the stream once more. */
async function replay(on: Platform, count: number): Promise<readonly Delivery[]> {
  const events: Delivery[] = []
  const ending = new AbortController()
  const { done } = await follow(on, (delivery) => events.push(delivery), AbortSignal.any([stop.signal, ending.signal]))
  await until('the end of the story', 30_000, async () => (events.length >= count ? true : undefined))
  ending.abort()
  await done
  return events
}
