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

const [mondays, tuesdays] = [monday, tuesday].map(([first]) => first?.metadata.name ?? '') as [string, string]
const served = claim('tuesday', 1, '2026-11-17T11:00:00Z')

function saidOf(claims: Parameters<typeof laterVolumes>[0]): string {
  const found = laterVolumes(claims, 'orders')
  return found === undefined ? '' : passedBy(found).message
}

test('of several restores in place the one whose volumes servers had is named, though another was filled later; both are told', () => {
  const found = laterVolumes([...monday, ...tuesday], 'orders')
  expect(found).toMatchObject({ restore: 'monday', served: true, others: [{ claim: tuesdays, served: false }] })
  const said = saidOf([...monday, ...tuesday])
  expect(said).toMatch(/its data are on .* uid: monday, /)
  expect(said).toContain(`${tuesdays} and their like were filled by other restores, and no server is known to have had`)
  expect(said).not.toContain('more than once')
})

test('where servers had all, or it is known of none, it is the newest', () => {
  expect(laterVolumes([...monday, ...tuesday, served], 'orders')?.restore).toBe('tuesday')
  expect(saidOf([...monday, ...tuesday, served])).toContain(
    `more than once: look whether ${mondays}, which servers had too`,
  )
  expect(laterVolumes([...monday.slice(0, 1), ...tuesday], 'orders')?.restore).toBe('tuesday')
  expect(laterVolumes(tuesday, 'orders')?.others).toEqual([])
})

test('volumes that no server is known to have had are not called the data: what to do depends on what a person knows', () => {
  const said = saidOf(tuesday)
  expect(said).not.toContain('its data are on')
  expect(said).toMatch(
    /no server is known to have had them: if its order was followed, set .* uid: tuesday, inPlace: true/,
  )
  expect(said).toMatch(/if it was taken back or never followed, the newest data are not there: delete these claims/)
  expect(saidOf([...tuesday, served])).toMatch(/its data are on .*, which servers had/)
})
