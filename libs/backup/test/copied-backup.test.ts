import { expect, test } from 'vitest'
import type { StorageView } from '../src/index.ts'
import { BackupWorld, toTheEnd } from './backup-world.ts'

test('no policy takes the copy of a restore', () => {
  const world = new BackupWorld()
  world.isCopy = true
  toTheEnd(world)
  const storage = world.storage as StorageView
  world.storage = { ...storage, spec: { ...storage.spec, retentionPolicy: { keep: 1 } } }
  world.siblings = [{ uid: 'b', name: 'b', clusterUid: 'cluster-1', endedAt: '2027-01-01T00:00:00.000Z' }]
  expect(world.pass()).toEqual([])
  expect(world.status).not.toHaveProperty('expired')
})
