import { expect, test } from 'vitest'
import { SCRATCH_SCRIPT } from './scratch-server.ts'

test('how a server has ended appears under its name in one step', () => {
  const writes = SCRATCH_SCRIPT.split('\n').filter((line) => line.includes('scratch.ended'))
  expect(writes).toEqual([expect.stringContaining('mv "$data/scratch.ending" "$data/scratch.ended"')])
})
