import { BACKUP_USER } from '@slotkeeper/backup'
import { ask, ENGINES, order, type Place, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { wordsHere } from './agent-process.ts'
import { PATIENCE_MS, removeAll, Stage, startCluster, storing } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

const clusters = new Map<string, readonly Place[]>()
const permissions = BACKUP_USER.permissions.split(' ').filter((one) => one !== '-@all')
let stage: Stage

beforeAll(async () => {
  stage = await Stage.make()
  await Promise.all(ENGINES.map(async (engine) => clusters.set(engine, await startCluster(engine))))
})

afterAll(async () => {
  await removeAll(Array.from(clusters.values()).flat())
  await stage.close()
})

/** One store task in this process; gives the fault, or that it is done. */
async function outcome(places: readonly Place[]): Promise<string> {
  const { storage } = await stage.directory()
  const task = storing(places, { consistency: 'cluster', credentials: stage.credentials })
  // On a busy machine servers may fork too late: that says nothing of permissions.
  return until('it is in time', PATIENCE_MS, async () => {
    const report = await wordsHere(stage.plan(storage, task))
    if (report.result === 'Done') return 'Done'
    return report.fault === 'PauseTooShort' ? undefined : report.fault
  })
}

describe.each(ENGINES)('%s', (engine) => {
  test('the user may all that a backup needs, and nothing that it does not', async () => {
    const places = clusters.get(engine) as readonly Place[]
    expect(await outcome(places)).toBe('Done')
    for (const permission of permissions) {
      const taken = permission.replace('+', '-')
      await Promise.all(places.map(({ server }) => order(server, ['ACL', 'SETUSER', BACKUP_USER.name, taken])))
      const found = await outcome(places)
      await Promise.all(places.map(({ server }) => order(server, ['ACL', 'SETUSER', BACKUP_USER.name, permission])))
      // Where it ends by itself, nobody is told that it was not lifted.
      expect({ permission, found }).toEqual({
        permission,
        found: permission === '+client|unpause' ? 'Done' : 'ServerDenied',
      })
    }
  })

  test.each([
    ['GET', 'key'],
    ['SET', 'key', 'value'],
    ['SCAN', '0'],
    ['DUMP', 'key'],
    ['CONFIG', 'GET', 'requirepass'],
    ['CONFIG', 'SET', 'maxmemory', '1'],
    ['FLUSHALL'],
    ['CLIENT', 'LIST'],
    ['CLIENT', 'KILL', 'TYPE', 'normal'],
    ['CLUSTER', 'FAILOVER'],
    ['CLUSTER', 'RESET'],
    ['ACL', 'LIST'],
    ['EVAL', 'return 1', '0'],
    ['SAVE'],
    ['SHUTDOWN'],
    ['DEBUG', 'SLEEP', '0'],
    ['REPLICAOF', 'NO', 'ONE'],
  ])('%s is not among it', async (...words) => {
    const [place] = clusters.get(engine) as readonly [Place]
    const [verdict] = await ask(place.server, ['ACL', 'DRYRUN', BACKUP_USER.name, ...words])
    expect(String(verdict)).toMatch(/has no permissions to run/)
  })
})
