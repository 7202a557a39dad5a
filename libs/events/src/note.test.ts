import { expect, test } from 'vitest'
import { clusterEventTypes } from './cluster-events.ts'
import { noteOf } from './note.ts'

const condition = (type: string, to: string, reason: string) =>
  noteOf({ type: 'ConditionChanged', data: { type, from: 'Unknown', to, reason, message: 'a sentence' } })

test.each([
  ['PrimaryLost', 'Warning'],
  ['SlotsUncovered', 'Warning'],
  ['OperationAbandoned', 'Warning'],
  ['ClusterFormed', 'Normal'],
  ['PrimaryChanged', 'Normal'],
])('%s is told as %s with its sentence', (type, grade) => {
  expect(noteOf({ type, data: { message: 'a sentence' } })).toEqual({ type: grade, reason: type, note: 'a sentence' })
})

test('a condition that turns bad is a warning under its own reason, one that turns good is not', () => {
  expect(condition('Stalled', 'True', 'SecretMissing')).toEqual({
    type: 'Warning',
    reason: 'SecretMissing',
    note: 'a sentence',
  })
  expect(condition('Ready', 'False', 'PrimaryDown')?.type).toBe('Warning')
  expect(condition('Degraded', 'True', 'ShardDown')?.type).toBe('Warning')
  expect(condition('Ready', 'True', 'AllSlotsServed')?.type).toBe('Normal')
  expect(condition('Stalled', 'False', 'Removed')?.type).toBe('Normal')
  expect(condition('Ready', 'False', 'Forming')?.type).toBe('Normal')
})

test('an event of a newer version is no note, and most of ours are', () => {
  expect(noteOf({ type: 'FromTheFuture', data: {} })).toBeNull()
  expect(clusterEventTypes.filter((type) => noteOf({ type, data: {} }) !== null).length).toBeGreaterThan(15)
})
