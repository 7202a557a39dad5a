import { expect, test } from 'vitest'
import { isDeletedBy } from './deletion-mark.ts'

const deletionTimestamp = '2026-11-22T03:00:00Z'
const marked = { 'slotkeeper.dev/expired': '3: keep 1: 1 newer ones are there' }

test.each([
  ['ours', { annotations: marked, generation: 4, deletionTimestamp }, true],
  ["a person's, who has changed the spec since", { annotations: marked, generation: 5, deletionTimestamp }, false],
  ["a person's", { annotations: {}, generation: 4, deletionTimestamp }, false],
  ['none', { annotations: marked, generation: 4 }, false],
  [
    "a person's, who has written the mark",
    { annotations: { 'slotkeeper.dev/expired': 'yes' }, generation: 4, deletionTimestamp },
    false,
  ],
])('a deletion is %s', (_whose, metadata, is) => {
  expect(isDeletedBy('expired', metadata)).toBe(is)
  expect(isDeletedBy('discarded', metadata)).toBe(false)
})
