import type { OutboxBounds } from '../src/outbox.ts'
import { type Fault, type PlantedBug, World } from './in-memory-world.ts'

/** What happens next: an I/O gets its turn, with or without a fault, or the world changes. */
export type Step =
  | { readonly type: 'io'; readonly which: number; readonly fault: Fault }
  /** `cold`: the processes are stopped for it, as whoever restores an etcd is told to do. */
  | { readonly type: 'restore'; readonly back: number; readonly cold?: boolean }
  | { readonly type: 'count' | 'start' | 'wait' | 'erase' | 'recreate' | 'expire' }
  | { readonly type: 'storeAway' | 'storeBack' | 'tooLarge' | 'notTooLarge' }

/** A schedule, and what is planted for it to find. */
export type Run = { readonly steps: readonly Step[]; readonly bug?: PlantedBug; readonly bounds?: OutboxBounds }

/** Bounds under which nothing is spilled. */
export const roomy: OutboxBounds = { entries: 1_000, bytes: 2 ** 20, spillBytes: 2 ** 20 }

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
/** Longer than the longest wait of a pass or the relay, and more turns than any of them needs until then. */
const rest = { ms: 90_000, turns: 5_000 } as const

/** Plays a schedule. Then everything heals: one process without faults, until nothing is left to do. */
export async function play({ steps, bug = 'none', bounds }: Run): Promise<World> {
  const world = new World(bug, bounds)
  world.startProcess()
  for (const step of steps) {
    await turn()
    perform(world, step)
  }
  world.processes.forEach((process) => world.crash(process))
  world.storeAway = false
  world.tooLarge = false
  world.startProcess()
  const until = world.now + rest.ms
  for (let turns = 0; world.now < until && !world.restless; turns += 1) {
    await turn()
    world.restless = turns > rest.turns
    if (world.pending.length === 0) world.ring()
    else world.pending.shift()?.go('none')
  }
  world.processes.forEach((process) => world.crash(process))
  return world
}

function restore(world: World, { back, cold = false }: Extract<Step, { readonly type: 'restore' }>): void {
  if (cold) world.processes.forEach((process) => world.crash(process))
  world.restore(back)
  if (cold) world.startProcess()
}

function perform(world: World, step: Step): void {
  switch (step.type) {
    case 'io': {
      const [io] = world.pending.splice(step.which % Math.max(1, world.pending.length), 1)
      if (io === undefined) world.ring()
      else io.go(step.fault)
      if (world.processes.every((process) => !process.alive)) world.startProcess()
      return
    }
    case 'count':
      world.truth += 1
      world.ring()
      return
    case 'start':
      world.startProcess()
      return
    case 'wait':
      world.ring()
      return
    case 'storeAway':
    case 'storeBack':
      world.storeAway = step.type === 'storeAway'
      return
    case 'tooLarge':
    case 'notTooLarge':
      world.tooLarge = step.type === 'tooLarge'
      return
    case 'erase':
      world.eraseStatus()
      return
    case 'recreate':
      world.recreate()
      return
    case 'restore':
      restore(world, step)
      return
    case 'expire':
      world.expire()
  }
}
