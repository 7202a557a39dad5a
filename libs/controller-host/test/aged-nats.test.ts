import { startAgedNats, startNatsServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import { eventTrouble } from '../src/event-trouble.ts'
import { startEventWriter } from './event-writer.ts'

test('a server that is too old is told nothing; replaced by a new one it is told everything', async () => {
  const server = await startNatsServer()
  const before = await startAgedNats(server.port)
  const writer = startEventWriter(before.url)
  const lookOn = startEventWriter(server.url)
  try {
    await writer.commit(20)
    await until('it is found to be too old', 60_000, async () => writer.trouble()?.reason === 'TooOld' || undefined)
    expect(writer.trouble()?.message).toMatch(/^nats-server 2\.10\.\d+ has JetStream API level 0; 2 is needed/)
    await writer.commit(20)
    const since = Date.parse(writer.outbox()[0]?.time ?? '')
    const said = (afterMs: number) => eventTrouble(writer.trouble(), writer.outbox(), since + afterMs)
    expect(said(30_000)?.reason).toBe('EventStoreTooOld')
    expect(said(29_999)).toBe(null)
    expect(await lookOn.stored()).toEqual([])
    expect(writer.acknowledged()).toBe(0)
    expect(writer.committed).toHaveLength(40)

    before.setAge('new')
    await until('all is told', 60_000, async () => writer.allTold() || undefined)
    expect(await lookOn.stored()).toEqual(writer.committed)
    expect(writer.trouble()).toBe(null)
  } finally {
    await Promise.all([writer.stop(), lookOn.stop()])
    await before.stop()
    await server.stop()
  }
}, 180_000)
