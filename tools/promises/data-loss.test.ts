import { type RecordingWriter, until } from '@slotkeeper/testing'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { Stage } from './stage.ts'

let stage: Stage

/** Takes both pods of a shard away at once, and what they have stored. */
async function lose(name: string, shard: number): Promise<void> {
  const pods = [`${name}-${shard}-0`, `${name}-${shard}-1`]
  await stage.kubectl('delete', 'pvc', ...pods.map((pod) => `data-${pod}`), '--wait=false', '--ignore-not-found')
  await stage.kubectl('delete', 'pod', ...pods, '--grace-period=0', '--force')
}

/** How often an operation was begun, by the numbers that their ids hold. */
async function sequenceOf(name: string): Promise<number> {
  return (await stage.read(name)).status?.lifecycle?.seq ?? 0
}

/** Writes to every shard, and finds it there; gives a way to look again, and to end. */
async function writeAll(name: string): Promise<RecordingWriter> {
  const writer = await stage.write(name, 100)
  await until('a write to every shard', 60_000, async () =>
    writer.record().acknowledged.size > 100 ? true : undefined,
  )
  await writer.finish()
  expect((await writer.missing()).acknowledged).toEqual([])
  return writer
}

async function writeOne(name: string): Promise<void> {
  ;(await writeAll(name)).close()
}

async function giveUp(name: string, shard: number): Promise<void> {
  const until30 = new Date(Date.now() + 30 * 60_000).toISOString()
  await stage.kubectl('annotate', 'rdc', name, '--overwrite', `slotkeeper.dev/accept-data-loss=${shard}@${until30}`)
}

async function told(reason: string): Promise<void> {
  await until(`the event ${reason}`, 90_000, async () => {
    const events = await stage.kubectl('get', 'events', '--field-selector', `reason=${reason}`, '-o', 'name')
    return events === '' ? undefined : true
  })
}

async function primaryOf(name: string, shard: number): Promise<string> {
  const { status } = await stage.read(name)
  return status?.topology?.find((one) => one.shard === shard)?.primary ?? ''
}

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'data-loss')
  await stage.create('cache', {})
  await stage.create('kept', { storage: { size: '100Mi' } })
  await Promise.all([stage.healthy('cache'), stage.healthy('kept')])
})

describe('all data of a shard is gone', () => {
  test('a cache serves its slots empty, without being asked', async () => {
    await lose('cache', 0)
    await told('PrimaryLost')
    await stage.healthy('cache')
    await writeOne('cache')
  })

  test('a cluster that keeps data stalls, says what could help, and goes on when a person gives the shard up', async () => {
    await lose('kept', 1)
    const message = await stage.stalled('kept', 'DataMissing')
    expect(message).toMatch(/shard 1.*Bring back a volume.*accept-data-loss=1@/s)
    // Nothing is tried meanwhile: a cluster at rest commits nothing.
    const before = await sequenceOf('kept')
    await stage.kubectl('annotate', 'rdc', 'kept', 'slotkeeper.dev/accept-data-loss=1@yesterday')
    await until('the refusal', 60_000, async () =>
      (await stage.stalled('kept', 'DataMissing')).includes('is not accepted') ? true : undefined,
    )
    expect(await sequenceOf('kept')).toBe(before)
    await giveUp('kept', 1)
    await stage.healthy('kept')
    await writeOne('kept')
  })

  test('a primary without its volume and a replica that was started again: the replica is named, and takes over when a person says so', async () => {
    const writer = await writeAll('kept')
    const [lost, left] = (await primaryOf('kept', 0)) === 'kept-0-0' ? ['0-0', '0-1'] : ['0-1', '0-0']
    await stage.kubectl('delete', 'pvc', `data-kept-${lost}`, '--wait=false')
    await stage.kubectl('delete', 'pod', 'kept-0-0', 'kept-0-1', '--grace-period=0', '--force')
    expect(await stage.stalled('kept', 'DataMissing')).toMatch(
      new RegExp(`the primary kept-${lost} came back empty, and kept-${left} \\(\\d+ keys\\) may lack`),
    )
    await giveUp('kept', 0)
    await stage.healthy('kept')
    expect((await writer.missing()).acknowledged).toEqual([])
    writer.close()
  })

  test('slots that somebody took away go back to their shard, with their keys', async () => {
    const writer = await writeAll('kept')
    const { 'control-password': password = '' } = await stage.secret('kept-internal')
    const client = await stage.connect(await primaryOf('kept', 2), { username: 'slotkeeper', password })
    await client.call('CLUSTER', 'DELSLOTSRANGE', '12000', '12999')
    await told('SlotsUncovered')
    await stage.healthy('kept')
    expect((await writer.missing()).acknowledged).toEqual([])
    client.disconnect()
    writer.close()
  })

  test('a consent is used once: the next loss stalls again, though the annotation still stands there', async () => {
    await lose('kept', 1)
    expect(await stage.stalled('kept', 'DataMissing')).toContain('shard 1')
  })
})
