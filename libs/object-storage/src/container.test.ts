import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ContainerError,
  HEADER_MOST_BYTES,
  packContainer,
  parseContainerKey,
  tryContainerKeys,
  unpackContainer,
} from './index.ts'
import type { PackOptions, UnpackOptions } from './index.ts'

const key = { id: 'key-1', key: randomBytes(32) }
const keys = new Map([[key.id, key.key]])
const FRAME = 64
const plain: PackOptions = { subject: 'orders/0', encryption: 'none', frameBytes: FRAME }
const secret: PackOptions = { ...plain, encryption: key }

async function* inPieces(bytes: Uint8Array, ...lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? bytes.length
    yield bytes.subarray(at, at + length)
    at += length
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

const pack = (bytes: Uint8Array, options: PackOptions): Promise<Buffer> =>
  collect(packContainer(inPieces(bytes, 50), options))
const readersOf = (options: PackOptions): UnpackOptions => ({ keys: options.encryption === 'none' ? 'none' : keys })

/** The pieces of a container: its header, then its frames; `packContainer` gives heads and bytes of frames in turn. */
async function piecesOf(bytes: Uint8Array, options: PackOptions): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of packContainer(inPieces(bytes, 7), options)) pieces.push(piece)
  const [header = Buffer.alloc(0), ...rest] = pieces
  return [header, ...rest.flatMap((head, at) => (at % 2 === 0 ? [Buffer.concat([head, rest[at + 1]!])] : []))]
}

/** What the reader says against these bytes, and what it gave out before. */
async function refusal(bytes: Uint8Array, options: UnpackOptions): Promise<{ fault: string; given: Buffer }> {
  const given: Buffer[] = []
  try {
    for await (const chunk of unpackContainer(inPieces(bytes, 40), options)) given.push(chunk)
  } catch (error) {
    if (error instanceof ContainerError) return { fault: error.fault, given: Buffer.concat(given) }
    throw error
  }
  return { fault: 'none', given: Buffer.concat(given) }
}

describe.each([
  ['compressed', plain],
  ['compressed and encrypted', secret],
])('%s', (_what, options) => {
  const data = Buffer.concat([randomBytes(150), Buffer.alloc(100, 'a')])

  test('any bytes in any pieces come back, into any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
        async (bytes, written, read) => {
          const packed = await collect(packContainer(inPieces(bytes, ...written), options))
          const back = await collect(unpackContainer(inPieces(packed, ...read), readersOf(options)))
          expect(back.equals(bytes)).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })

  test.each([0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME])('%i bytes come back', async (length) => {
    const bytes = randomBytes(length)
    expect(await collect(unpackContainer(inPieces(await pack(bytes, options), 9), readersOf(options)))).toEqual(bytes)
  })

  test('every flipped bit is found, and nothing false was given out', async () => {
    const packed = await pack(data, options)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: packed.length * 8 - 1 }), async (bit) => {
        const bytes = Buffer.from(packed)
        bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7))
        const { fault, given } = await refusal(bytes, readersOf(options))
        expect(fault).toMatch(/Damaged|NotAContainer|UnknownVersion|OutOfOrder|Spliced|Truncated/)
        expect(data.subarray(0, given.length).equals(given)).toBe(true)
      }),
      { numRuns: 400 },
    )
  })

  test('every truncation is found', async () => {
    const packed = await pack(data, options)
    for (let length = 0; length < packed.length; length += 1) {
      expect((await refusal(packed.subarray(0, length), readersOf(options))).fault).toBe('Truncated')
    }
  })

  test('swapped, missing and repeated frames are named', async () => {
    const [header, first, second, ...rest] = (await piecesOf(data, options)) as [Buffer, Buffer, Buffer, ...Buffer[]]
    const orders = [
      [header, second, first, ...rest],
      [header, first, ...rest],
      [header, first, first, second, ...rest],
      [header, ...rest],
    ]
    for (const order of orders)
      expect((await refusal(Buffer.concat(order), readersOf(options))).fault).toBe('OutOfOrder')
    expect((await refusal(Buffer.concat([header, first, second]), readersOf(options))).fault).toBe('Truncated')
  })

  test('a frame of another container is named, and a renamed one does not fit its seal', async () => {
    const mine = await piecesOf(data, options)
    const other = await piecesOf(randomBytes(250), options)
    const spliced = [...mine.slice(0, 2), other[2]!, ...mine.slice(3)]
    expect((await refusal(Buffer.concat(spliced), readersOf(options))).fault).toBe('Spliced')
    const renamed = Buffer.from(other[2]!)
    mine[2]!.copy(renamed, 8, 8, 24)
    const forged = [...mine.slice(0, 2), renamed, ...mine.slice(3)]
    expect((await refusal(Buffer.concat(forged), readersOf(options))).fault).toBe('Damaged')
  })

  test('a frame that is made the last one, and one behind the last, are found', async () => {
    const pieces = await piecesOf(data, options)
    const cut = pieces.slice(0, 3).map((piece) => Buffer.from(piece))
    cut[2]!.writeUInt8(1, 32)
    expect((await refusal(Buffer.concat(cut), readersOf(options))).fault).toBe('Damaged')
    expect((await refusal(Buffer.concat([...pieces, pieces[1]!]), readersOf(options))).fault).toBe('TrailingBytes')
  })

  test('another subject is named', async () => {
    const packed = await pack(data, options)
    expect((await refusal(packed, { ...readersOf(options), subject: 'orders/1' })).fault).toBe('OtherSubject')
    expect((await refusal(packed, { ...readersOf(options), subject: 'orders/0' })).fault).toBe('none')
  })

  test('it reads no further than what was taken, and lets go of its source', async () => {
    let asked = 0
    let isClosed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          asked += 1
          yield randomBytes(FRAME)
        }
      } finally {
        isClosed = true
      }
    }
    const packed = packContainer(source(), options)
    await packed.next()
    expect(asked).toBe(0)
    await packed.next()
    expect(asked).toBeLessThanOrEqual(2)
    await packed.return(undefined)
    expect(isClosed).toBe(true)
  })

  test('an error of the source is passed on, by writer and reader', async () => {
    const broken = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes
      throw new Error('the disk is gone')
    }
    await expect(collect(packContainer(broken(data), options))).rejects.toThrow('the disk is gone')
    const packed = (await pack(data, options)).subarray(0, 200)
    await expect(collect(unpackContainer(broken(packed), readersOf(options)))).rejects.toThrow('the disk is gone')
  })
})

test('keys: a missing one, a wrong one under the same id, and one that was rotated', async () => {
  const packed = await pack(randomBytes(100), secret)
  expect((await refusal(packed, { keys: new Map([['key-2', key.key]]) })).fault).toBe('UnknownKey')
  expect((await refusal(packed, { keys: 'none' })).fault).toBe('UnknownKey')
  expect((await refusal(packed, { keys: new Map([['key-1', randomBytes(32)]]) })).fault).toBe('WrongKey')
  const rotated = new Map([...keys, ['key-2', randomBytes(32)] as const])
  expect((await refusal(packed, { keys: rotated })).fault).toBe('none')
})

test('what is not encrypted is not taken for what is', async () => {
  expect((await refusal(await pack(randomBytes(100), plain), { keys })).fault).toBe('NotEncrypted')
})

test('nothing of the plain bytes, and no key, shows in what is encrypted', async () => {
  const packed = await pack(Buffer.alloc(500, 'the password is swordfish '), secret)
  expect(packed.includes('swordfish')).toBe(false)
  expect(packed.includes(key.key)).toBe(false)
  expect((await pack(Buffer.from('swordfish'), plain)).includes('swordfish')).toBe(true)
})

test('no two frames of the same bytes are encrypted alike, of one container or of two', async () => {
  // It does not get smaller, so that the last bytes are of the frame and not of its seal.
  const data = randomBytes(FRAME)
  const pieces = [...(await piecesOf(Buffer.concat([data, data]), secret)), ...(await piecesOf(data, secret))]
  const ends = [1, 2, 4].map((frame) => pieces[frame]!.subarray(-FRAME / 2).toString('hex'))
  expect(new Set(ends).size).toBe(3)
})

test('something else is no container, and a later version is named', async () => {
  expect((await refusal(randomBytes(500), { keys: 'none' })).fault).toBe('NotAContainer')
  expect((await refusal(Buffer.from('REDIS0011'), { keys: 'none' })).fault).toBe('NotAContainer')
  const later = await pack(randomBytes(10), plain)
  later.writeUInt8(2, 18)
  expect((await refusal(later, { keys: 'none' })).fault).toBe('UnknownVersion')
})

test('keys are read from base64, and what is no key is refused without being repeated', () => {
  expect(parseContainerKey('a', ` ${key.key.toString('base64')}\n`).key).toEqual(key.key)
  for (const text of ['', 'hunter2', randomBytes(31).toString('base64'), `${key.key.toString('base64')}A`]) {
    expect(() => parseContainerKey('a', text)).toThrow(/^the key a is not 32 bytes in base64/)
  }
})

test('impossible options are refused', async () => {
  const short = { id: 'a', key: randomBytes(16) }
  const wrong = [{ frameBytes: 0 }, { frameBytes: 2 ** 30 }, { subject: 'x'.repeat(2000) }, { encryption: short }]
  for (const options of wrong) await expect(pack(Buffer.alloc(1), { ...plain, ...options })).rejects.toThrow(RangeError)
})

test.skipIf(spawnSync('zstd', ['--version']).error !== undefined)(
  'zstd by itself reads what is not encrypted',
  async () => {
    const data = randomBytes(500)
    const { stdout } = spawnSync('zstd', ['-dc'], { input: await pack(data, plain) })
    expect(stdout.equals(data)).toBe(true)
  },
)

describe('whether keys fit is said by the header alone', () => {
  const other = { id: key.id, key: randomBytes(32) }
  test.each<[string, PackOptions, UnpackOptions, string]>([
    ['the key', secret, { keys }, 'none'],
    ['no key, and none is needed', plain, { keys: 'none' }, 'none'],
    ['its namesake', secret, { keys: new Map([[other.id, other.key]]) }, 'WrongKey'],
    ['another key', secret, { keys: new Map([['key-2', key.key]]) }, 'UnknownKey'],
    ['no key', secret, { keys: 'none' }, 'UnknownKey'],
    ['a key for what is not encrypted', plain, { keys }, 'NotEncrypted'],
  ])('%s', async (_what, written, read, expected) => {
    const subject = 's'.repeat(1_000)
    const packed = await pack(randomBytes(4_096), { ...written, subject })
    const tried = tryContainerKeys(inPieces(packed.subarray(0, HEADER_MOST_BYTES), 100), read)
    const fault = await tried.then(
      () => 'none',
      (error: unknown) => (error instanceof ContainerError ? error.fault : 'unexpected'),
    )
    expect(fault).toBe(expected)
  })
})
