import { until } from '@slotkeeper/testing'
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

async function writeOne(name: string): Promise<void> {
  const writer = await stage.write(name, 100)
  await until('a write to every shard', 60_000, async () =>
    writer.record().acknowledged.size > 100 ? true : undefined,
  )
  const record = await writer.finish()
  expect((await writer.missing()).acknowledged).toEqual([])
  expect(record.acknowledged.size).toBeGreaterThan(100)
  writer.close()
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
    await until('the empty start', 90_000, async () => {
      const told = await stage.kubectl('get', 'events', '--field-selector', 'reason=PrimaryLost', '-o', 'name')
      return told === '' ? undefined : true
    })
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
    const until30 = new Date(Date.now() + 30 * 60_000).toISOString()
    const value = `slotkeeper.dev/accept-data-loss=1@${until30}`
    await stage.kubectl('annotate', 'rdc', 'kept', '--overwrite', value)
    await stage.healthy('kept')
    await writeOne('kept')
  })

  test('a consent is used once: the next loss stalls again, though the annotation still stands there', async () => {
    await lose('kept', 1)
    expect(await stage.stalled('kept', 'DataMissing')).toContain('shard 1')
  })
})
