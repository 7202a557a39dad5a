import { type NatsServer, startNatsCluster, startNatsServer, until } from '@slotkeeper/testing'
import { afterEach, expect, test } from 'vitest'
import { type EventWriter, startEventWriter } from './event-writer.ts'

/*
 * nats-server is killed with -9 under load. The stream ends up with every committed event once, in the order of the
 * commits, whatever was acknowledged or under way at that moment.
 */
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const waitMs = 60_000

/** Goes on committing until the store has acknowledged so many more. */
async function underLoad(writer: EventWriter, more: number): Promise<void> {
  const enough = writer.acknowledged() + more
  await until('events are acknowledged', waitMs, async () => {
    await writer.commit(5)
    return writer.acknowledged() >= enough || undefined
  })
}

async function expectExact(writer: EventWriter): Promise<void> {
  await until('all is told', waitMs, async () => writer.allTold() || undefined)
  expect(await writer.stored()).toEqual(writer.committed)
}

test('a single server, killed again and again', async () => {
  const server = await startNatsServer()
  ends.push(() => server.stop())
  const writer = startEventWriter(server.url)
  ends.push(() => writer.stop())
  for (let kills = 0; kills < 3; kills += 1) {
    await underLoad(writer, 50)
    await writer.commit(20)
    await server.kill()
    await writer.commit(20)
    await until('the store is away', waitMs, async () => writer.trouble()?.reason === 'Unavailable' || undefined)
    await server.restart()
  }
  await underLoad(writer, 1)
  await expectExact(writer)
}, 180_000)

test('three servers: the one that leads the stream is killed, then the majority', async () => {
  const cluster = await startNatsCluster(3)
  ends.push(() => cluster.stop())
  const writer = startEventWriter(cluster.url, 3)
  ends.push(() => writer.stop())
  const serverOf = (name: string): NatsServer => {
    const server = cluster.servers.get(name)
    if (server === undefined) throw new Error(`no server ${name}`)
    return server
  }
  await underLoad(writer, 50)

  const first = await writer.streamServer()
  await writer.commit(20)
  await serverOf(first).kill()
  // The other two elect another one, and it goes on without the first.
  await underLoad(writer, 50)

  const second = await writer.streamServer()
  expect(second).not.toBe(first)
  await writer.commit(20)
  await serverOf(second).kill()
  await writer.commit(20)
  await until('the store is away', waitMs, async () => writer.trouble()?.reason === 'Unavailable' || undefined)

  await Promise.all([serverOf(first).restart(), serverOf(second).restart()])
  await underLoad(writer, 1)
  await expectExact(writer)
}, 180_000)
