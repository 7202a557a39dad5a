import { createHash, randomBytes } from 'node:crypto'
import { startAzureStorage, until } from '@slotkeeper/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { checkStorage, StorageError } from '../src/index.ts'
import {
  collect,
  faultOf,
  isCeph,
  limits,
  listed,
  openBucket,
  openContainer,
  openFreshDirectory,
  PART,
  startS3,
  streamOf,
  unfinished,
} from './storages.ts'

const server = await startS3()
const directory = await openFreshDirectory()
const azure = isCeph ? null : await startAzureStorage()
afterAll(async () => {
  await server.stop()
  await azure?.stop()
  await directory.remove()
})

describe.each([
  ['S3', openBucket(server)] as const,
  ...(azure === null ? [] : [['a directory', directory.store] as const, ['Azure', openContainer(azure)] as const]),
])('%s', (what, store) => {
  afterAll(() => store.close())

  test.each([0, 1, PART - 1, PART, PART + 1, 2 * PART, 22_000_000])('%i bytes come back', async (length) => {
    const data = randomBytes(length)
    const key = `sizes/${length}`
    const stored = await store.put(key, streamOf(data), limits())
    expect(stored).toMatchObject({ key, bytes: length, sha256: createHash('sha256').update(data).digest('hex') })
    expect((await collect(store.get(key, limits()))).equals(data)).toBe(true)
    const facts = await store.head(key, limits())
    expect(facts).toMatchObject({ key, bytes: length, etag: stored.etag })
    expect(Math.abs(facts.modified.getTime() - Date.now())).toBeLessThan(600_000)
    expect(await unfinished(store)).toEqual([])
  })

  test('ranges, over the edges of parts and past the end', async () => {
    const data = randomBytes(2 * PART + 1000)
    await store.put('ranges', streamOf(data), limits())
    const ranges = [
      [0, 1],
      [PART - 5, PART + 5],
      [PART - 5, 2 * PART + 5],
      [2 * PART, undefined],
      [data.length - 1, data.length + 100],
      [data.length, undefined],
      [data.length + 5, data.length + 9],
      [7, 7],
    ] as const
    for (const [from, to] of ranges) {
      const part = await collect(store.get('ranges', { ...limits(), from, ...(to === undefined ? {} : { to }) }))
      expect(part.equals(data.subarray(from, to)), `${from} to ${to}`).toBe(true)
    }
  })

  test('what is no range is refused', async () => {
    await store.put('range', streamOf(Buffer.from('abc')), limits())
    for (const range of [{ from: -1 }, { from: 2, to: 1 }, { from: 0.5 }, { to: Number.NaN }])
      expect(await faultOf(collect(store.get('range', { ...limits(), ...range })))).toBe('Refused')
  })

  test('what is stored anew is another object', async () => {
    const first = await store.put('again', streamOf(Buffer.from('one')), limits())
    const second = await store.put('again', streamOf(Buffer.from('two')), limits())
    expect(second.etag).not.toBe(first.etag)
    expect((await collect(store.get('again', limits()))).toString()).toBe('two')
  })

  test('many are listed in order, and deleted together', async () => {
    const keys = Array.from({ length: 150 }, (_, index) => `many/${String(index % 7)}/${index}`)
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, streamOf(Buffer.from(key)), limits())))
    await store.put('many-more', streamOf(Buffer.from('x')), limits())
    const found = await listed(store.list('many/', limits()))
    expect(found.map(({ key }) => key)).toEqual(keys.toSorted())
    expect(found.every(({ key, bytes }) => bytes === key.length)).toBe(true)
    const around = (await listed(store.list('many', limits()))).map(({ key }) => key)
    expect(around).toEqual(['many-more', ...keys.toSorted()])
    expect((await listed(store.list('many/3/1', limits()))).map(({ key }) => key)).toEqual(
      keys.filter((key) => key.startsWith('many/3/1')).toSorted(),
    )
    await store.delete([...keys, 'many/never-there'], limits())
    expect((await listed(store.list('many', limits()))).map(({ key }) => key)).toEqual(['many-more'])
  })

  test('an object that may not be written over is not, whole or in parts', async () => {
    for (const length of [10, PART + 10]) {
      const data = randomBytes(length)
      const key = `once/${length}`
      const put = (bytes: Buffer) => store.put(key, streamOf(bytes), { ...limits(), ifAbsent: true })
      await put(data)
      expect(await faultOf(put(randomBytes(length)))).toBe('Exists')
      expect((await collect(store.get(key, limits()))).equals(data)).toBe(true)
    }
    expect(await unfinished(store)).toEqual([])
  })

  test('of several that come at once one is kept', async () => {
    for (const length of [10, PART + 10]) {
      const key = `race/${length}`
      const all = Array.from({ length: 4 }, () => randomBytes(length))
      const outcomes = await Promise.all(
        all.map((data) => faultOf(store.put(key, streamOf(data), { ...limits(), ifAbsent: true }))),
      )
      const kept = await collect(store.get(key, limits()))
      // Ceph 18 passes over the condition where an upload of parts ends: the last one is kept, and the others do not know.
      if (isCeph && what === 'S3' && length > PART) expect(all.some((data) => kept.equals(data))).toBe(true)
      else {
        expect(outcomes.toSorted()).toEqual(['Exists', 'Exists', 'Exists', 'none'])
        expect(kept.equals(all[outcomes.indexOf('none')]!)).toBe(true)
      }
    }
    expect(await unfinished(store)).toEqual([])
  })

  test('an object that is not there is named', async () => {
    expect(await faultOf(store.head('absent', limits()))).toBe('NotFound')
    expect(await faultOf(collect(store.get('absent/too', limits())))).toBe('NotFound')
    expect(await faultOf(store.delete(['absent', 'absent/too'], limits()))).toBe('none')
    expect(await listed(store.list('absent', limits()))).toEqual([])
  })

  test('keys that lead elsewhere are refused', async () => {
    const wrong = [
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../../b',
      './a',
      '.a',
      'a/.b',
      'a\\b',
      'a\0',
      'a b',
      'ü',
      'x'.repeat(201),
    ]
    for (const key of wrong) {
      expect(await faultOf(store.put(key, streamOf(Buffer.from('x')), limits())), key).toBe('Refused')
      expect(await faultOf(store.head(key, limits())), key).toBe('Refused')
      expect(await faultOf(store.delete([key], limits())), key).toBe('Refused')
      expect(await faultOf(collect(store.get(key, limits()))), key).toBe('Refused')
    }
    expect(await faultOf(listed(store.list('../', limits())))).toBe('Refused')
  })

  test('a put that is called off in the middle ends with the reason, and leaves nothing', async () => {
    const stop = new AbortController()
    let isReleased = false
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (let chunk = 0; ; chunk += 1) {
          if (chunk === 12) stop.abort(new Error('called off'))
          yield randomBytes(1_000_000)
        }
      } finally {
        isReleased = true
      }
    }
    await expect(store.put('aborted', endless(), limits(60_000, stop.signal))).rejects.toThrow('called off')
    expect(isReleased).toBe(true)
    expect(await unfinished(store)).toEqual([])
    expect(await faultOf(store.head('aborted', limits()))).toBe('NotFound')
  })

  test('a source that hangs holds nothing up', async () => {
    async function* hanging(): AsyncGenerator<Buffer> {
      yield randomBytes(2 * PART)
      await new Promise(() => {})
    }
    expect(await faultOf(store.put('hangs', hanging(), limits(2_000)))).toBe('Deadline')
    // A part that a busy server was still taking can bring an upload back, until it is swept.
    await until('a sweep that finds nothing', 20_000, async () => (await unfinished(store)).length === 0 || undefined)
  })

  test('an error of the source comes through as it is, and leaves nothing', async () => {
    const failure = new Error('the server of Redis is gone')
    async function* failing(): AsyncGenerator<Buffer> {
      yield randomBytes(2 * PART)
      throw failure
    }
    await expect(store.put('failed', failing(), limits())).rejects.toBe(failure)
    expect(await unfinished(store)).toEqual([])
    expect(await faultOf(store.head('failed', limits()))).toBe('NotFound')
  })

  test('keys to delete that never come, or fail, hold nothing up and are no fault of the storage', async () => {
    async function* hanging(): AsyncGenerator<string> {
      yield 'a'
      await new Promise(() => {})
    }
    async function* failing(): AsyncGenerator<string> {
      yield 'a'
      throw new Error('the list is gone')
    }
    expect(await faultOf(store.delete(hanging(), limits(300)))).toBe('Deadline')
    await expect(store.delete(failing(), limits())).rejects.toThrow('the list is gone')
  })

  test('a reader may stop early, and be called off', async () => {
    await store.put('long', streamOf(randomBytes(2 * PART)), limits())
    for await (const chunk of store.get('long', limits())) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    const stop = new AbortController()
    const reading = async () => {
      for await (const _chunk of store.get('long', limits(60_000, stop.signal))) stop.abort(new Error('called off'))
    }
    await expect(reading()).rejects.toThrow('called off')
  })

  test('nothing is begun when it is too late', async () => {
    const over = limits(60_000, AbortSignal.abort(new Error('over')))
    await expect(store.head('x', over)).rejects.toThrow('over')
    await expect(store.put('x', streamOf(Buffer.from('x')), over)).rejects.toThrow('over')
    await expect(listed(store.list('', over))).rejects.toThrow('over')
  })

  test('the check passes, and leaves nothing', async () => {
    const check = await checkStorage(store, limits())
    expect(check).toMatchObject({ ok: true, missingPermissions: [], keepsFirst: true, leftBehind: null })
    expect(check.steps.map(({ step }) => step)).toEqual(['write', 'read', 'list', 'delete', 'sweep'])
    expect(await listed(store.list('slotkeeper-check/', limits()))).toEqual([])
  })

  test('every error says what to do', async () => {
    const error = await store.head('absent', limits()).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StorageError)
    expect((error as StorageError).remedy).not.toBe('')
    expect((error as StorageError).message).toContain('absent')
  })
})
