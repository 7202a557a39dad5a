import { expect, test } from 'vitest'
import { type Batch, CommandBatches } from './command-batches.ts'

const word = (text: string): Buffer => Buffer.from(text)

test('commands are laid out as servers read them, and counted', () => {
  const taken: Batch[] = []
  const batches = new CommandBatches((batch) => taken.push(batch))
  batches.add(word('SET'), word('k'), word(''))
  batches.add(word('PING'))
  batches.end()
  batches.end()
  expect(taken.map(({ bytes, commands }) => [String(bytes), commands])).toEqual([
    ['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n', 2],
  ])
})

test('a command is never cut, however large it is', () => {
  const taken: Batch[] = []
  const batches = new CommandBatches((batch) => taken.push(batch))
  for (let index = 0; index < 9; index += 1) batches.add(word('SET'), word('k'), Buffer.alloc(30_000 * index, 'x'))
  batches.end()
  expect(taken.length).toBeGreaterThan(1)
  expect(taken.reduce((sum, { commands }) => sum + commands, 0)).toBe(9)
  for (const { bytes } of taken) {
    expect(String(bytes.subarray(0, 4))).toBe('*3\r\n')
    expect(String(bytes.subarray(-2))).toBe('\r\n')
  }
})
