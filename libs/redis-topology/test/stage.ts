import { change } from './changes.ts'
import { obey } from './obey.ts'
import { NO_MEMORY, type Memory, type Pass, pass } from './pass.ts'
import { snapshotOf } from './snapshot-of.ts'
import type { World } from './world.ts'

/** A world, what the status remembers of it, and the last look at it. */
export type Stage = { readonly world: World; memory: Memory; last: Pass | null }

/** A stage on which nobody has looked yet. */
export function newStage(world: World): Stage {
  return { world, memory: NO_MEMORY, last: null }
}

/** Lets one line of a scenario happen; throws for what can't. */
export function perform(stage: Stage, line: string): void {
  const { world } = stage
  if (line === 'look') return
  if (line === 'erase status') stage.memory = { ...NO_MEMORY, life: stage.memory.life + 1 }
  else if (line === 'erase record') delete world.recordedFormedAt
  else if (line === 'obey' || line.startsWith('obey ')) {
    const wanted = line.split(' ')[1]
    const commands = stage.last?.commands.filter((one) => wanted === undefined || one.type === wanted) ?? []
    if (commands.length === 0) throw new Error(`nothing was ordered: ${line}`)
    for (const command of commands) obey(world, command)
  } else change(world, line)
}

/** One pass over what is seen now; what it remembers is remembered. */
export function look(stage: Stage): Pass {
  const { world } = stage
  const now = pass(world.desired, snapshotOf(world), stage.memory, world.now)
  stage.memory = now.memory
  stage.last = now
  // The record is written from the status by the same pass.
  if (now.memory.formedAt !== undefined) world.recordedFormedAt = now.memory.formedAt
  return now
}
