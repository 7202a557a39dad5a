import { expect, test } from 'vitest'
import { BackupWorld, sourceOf } from './backup-world.ts'

test('a cluster whose data a restore has replaced is another one: no backup is half of the one and half of the other', () => {
  const world = new BackupWorld()
  world.source = sourceOf({ restored: 'sunday' })
  world.pass()
  world.end('well')
  world.pass()
  expect(world.status?.state).toBe('Streaming')
  world.source = sourceOf({ restored: 'monday' })
  world.pass()
  expect(world.status).toMatchObject({ state: 'Failed', reason: 'SourceReplaced' })
  expect(world.status?.message).toContain('a restore')
})
