import { BACKUP_USER } from '@slotkeeper/backup'
import { ask, ENGINES, order, type Place } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wordsHere } from './agent-process.ts'
import { removeAll, Stage, startCluster, storing } from './stage.ts'

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

/** One store task in this process; gives the fault, or what was done. */
async function outcome(places: readonly Place[]): Promise<string> {
  const { storage } = await stage.directory()
  const task = storing(places, { consistency: 'cluster', credentials: stage.credentials })
  const report = await wordsHere(stage.plan(storage, task))
  return report.result === 'Done' ? 'Done' : report.fault
}

describe.each(ENGINES)('%s', (engine) => {
  test('the user may all that a backup needs, and nothing that it does not', async () => {
    const places = clusters.get(engine) as readonly Place[]
    expect(await outcome(places)).toMatch(/^(Done|PauseTooShort)$/)
    for (const permission of permissions) {
      const taken = permission.replace('+', '-')
      await Promise.all(places.map(({ server }) => order(server, ['ACL', 'SETUSER', BACKUP_USER.name, taken])))
      const found = await outcome(places)
      await Promise.all(places.map(({ server }) => order(server, ['ACL', 'SETUSER', BACKUP_USER.name, permission])))
      // Where it ends by itself, nobody is told that it was not lifted.
      expect({ permission, found }).toEqual({
        permission,
        found: permission === '+client|unpause' ? expect.stringMatching(/^(Done|PauseTooShort)$/) : 'ServerDenied',
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
