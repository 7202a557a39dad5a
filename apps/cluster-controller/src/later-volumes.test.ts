import { ANNOTATION, claimName, volumeName } from '@slotkeeper/api'
import { expect, test } from 'vitest'
import { laterVolumes, passedBy } from './later-volumes.ts'

const claim = (uid: string, index: number, creationTimestamp: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: {
    name: claimName(volumeName({ uid, inPlace: true }), 'orders', 0, index),
    creationTimestamp,
    ...(index === 0 ? { annotations: { [ANNOTATION.restoredBy]: uid } } : {}),
  },
})
const monday = [claim('monday', 0, '2026-11-16T10:00:00Z'), claim('monday', 1, '2026-11-16T11:00:00Z')]
const tuesday = [claim('tuesday', 0, '2026-11-17T10:00:00Z')]

test('of several restores in place the one whose volumes servers had is named, though another was filled later; both are told', () => {
  const found = laterVolumes([...monday, ...tuesday], 'orders')
  expect(found).toMatchObject({ restore: 'monday', others: [tuesday[0]?.metadata.name] })
  expect(found === undefined ? '' : passedBy(found).message).toMatch(/uid: monday, .* look whether data-0/)
})

test('where all were served, or none, it is the newest', () => {
  const served = claim('tuesday', 1, '2026-11-17T11:00:00Z')
  expect(laterVolumes([...monday, ...tuesday, served], 'orders')?.restore).toBe('tuesday')
  expect(laterVolumes([...monday.slice(0, 1), ...tuesday], 'orders')?.restore).toBe('tuesday')
  expect(laterVolumes(tuesday, 'orders')?.others).toEqual([])
})
