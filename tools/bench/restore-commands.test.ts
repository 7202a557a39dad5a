import { Crc64, keySlot, RdbParser } from '@slotkeeper/rdb'
import { expect, test } from 'vitest'
import { restoreCommands } from './restore-commands.ts'

const SECONDS_END = Buffer.from([0xfc, 0x10, 0x27, 0, 0, 0, 0, 0, 0])
const file = Buffer.concat([
  Buffer.from('REDIS0011'),
  Buffer.from([0x00, 1]),
  Buffer.from('a'),
  Buffer.from([5]),
  Buffer.from('value'),
  SECONDS_END,
  Buffer.from([0x02, 1]),
  Buffer.from('b'),
  Buffer.from([2, 1, 0x78, 1, 0x79]),
  Buffer.from([0xff]),
  Buffer.alloc(8),
])

function payload(type: number, value: readonly number[]): Buffer {
  const body = Buffer.from([type, ...value, 11, 0])
  return Buffer.concat([body, new Crc64().update(body).digest()])
}

test.each([1, 7, file.length])('each key becomes a RESTORE with what DUMP gives, in pieces of %i', (size) => {
  const taken: (readonly [number, readonly Buffer[]])[] = []
  const parser = new RdbParser(restoreCommands((slot, words) => taken.push([slot, words])))
  for (let at = 0; at < file.length; at += size) parser.push(file.subarray(at, at + size))
  parser.finish()
  const command = (key: string, end: string, value: Buffer) => [
    keySlot(Buffer.from(key)),
    [Buffer.from('RESTORE'), Buffer.from(key), Buffer.from(end), value, Buffer.from('ABSTTL')],
  ]
  expect(taken).toEqual([
    command('a', '0', payload(0, [5, ...Buffer.from('value')])),
    command('b', '10000', payload(2, [2, 1, 0x78, 1, 0x79])),
  ])
})
