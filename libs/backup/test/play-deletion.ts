import type { StorageView } from '../src/index.ts'
import { BackupWorld, type Ending, toTheEnd } from './backup-world.ts'

export const MINUTE = 60_000
export const FOLDER = 'shop/nightly/backup-1/'
export const typesOf = (world: BackupWorld): readonly string[] => world.events.map((one) => one.type)

/** One that is completed, and that the next pass deletes; `asked` by a person, or by a retention policy. */
export function deleted(by: 'asked' | 'expired' = 'asked', spec: object = {}): BackupWorld {
  const world = new BackupWorld(spec)
  toTheEnd(world)
  if (by === 'asked') world.deletionAt = world.now
  else expire(world)
  return world
}

/** The retention policy lets go of it. */
export function expire(world: BackupWorld, keep = 1): void {
  const storage = world.storage as StorageView
  world.storage = { ...storage, spec: { ...storage.spec, retentionPolicy: { keep } } }
  const newer = ['b', 'c', 'd'].slice(0, keep)
  world.siblings = newer.map((uid) => ({
    uid,
    name: uid,
    clusterUid: 'cluster-1',
    endedAt: '2027-01-01T00:00:00.000Z',
  }))
  world.pass()
}

/** Passes until it is gone; so long agents end in this way, and well from then on. Gives for how long it was there. */
export function lasts(
  world: BackupWorld,
  outageMs: number,
  how: Ending = 'StorageUnreachable',
  stepMs = 1_000,
): number {
  const from = world.now
  for (let pass = 0; !world.isGone && pass < 4_000; pass++) {
    world.pass()
    world.end(world.now - from < outageMs ? how : 'well')
    world.now += stepMs
  }
  return world.now - from
}

/** One pass, after which the agent that deletes fails. */
export function storageFails(world: BackupWorld): void {
  world.pass()
  world.end('StorageUnreachable')
  world.now += 1_000
}

/** What is to be assigned to a world, where of the storage only its spec is said. */
export const changed = ({ storage }: BackupWorld, change: { readonly storage?: object }): object =>
  change.storage === undefined ? change : { storage: { ...storage, ...change.storage } }
