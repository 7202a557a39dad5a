import { brokenLaws } from './laws.ts'
import { change } from './changes.ts'
import { obey } from './obey.ts'
import { NO_MEMORY, type Memory, type Pass, pass } from './pass.ts'
import { passLines, podLines } from './render-step.ts'
import { snapshotOf } from './snapshot-of.ts'
import { formedWorld, newWorld, type World } from './world.ts'

/** A scenario told anew: its text as it should be, and the laws that were broken on the way. */
export type Told = { readonly text: string; readonly broken: readonly string[] }

type Stage = { readonly world: World; memory: Memory; last: Pass | null; pods: ReadonlyMap<string, string> }

/**
 * Tells a scenario anew. Its text is a paragraph that says why it exists, and then steps with an empty line between
 * them: the changes, a line `----`, and what a pass makes of them. All but the last is read, the last is written.
 */
export function retell(text: string): Told {
  const [why = '', beginning = '', ...steps] = text.trimEnd().split(/\n\n+/)
  const stage: Stage = { world: begin(beginning), memory: NO_MEMORY, last: null, pods: new Map() }
  const broken: string[] = []
  const told = [why, ...[beginning, ...steps].map((step, place) => tellStep(stage, step, place, broken))]
  return { text: `${told.join('\n\n')}\n`, broken }
}

/** Whether a scenario says in words why it exists. */
export function saysWhy(text: string): boolean {
  const [why = ''] = text.split('\n\n')
  return why.length > 80 && !why.includes('----')
}

function begin(step: string): World {
  const [, kind, shards, members] = /^(new|formed) cluster of (\d+) shards with (\d+) members$/m.exec(step) ?? []
  if (kind === undefined) throw new Error(`a scenario begins with a new or a formed cluster, not with: ${step}`)
  return (kind === 'new' ? newWorld : formedWorld)(Number(shards), Number(members))
}

function tellStep(stage: Stage, step: string, place: number, broken: string[]): string {
  const [read = ''] = step.split(/^----$/m)
  const lines = read.split('\n').filter((line) => line !== '')
  const skipped = place === 0 ? 1 : 0
  for (const line of lines.filter((one) => !one.startsWith('#')).slice(skipped)) carryOut(stage, line)
  const { world } = stage
  const snapshot = snapshotOf(world)
  const now = pass(world.desired, snapshot, stage.memory, world.now)
  broken.push(...brokenLaws(now).map((law) => `${lines.join('; ')}: ${law}`))
  const pods = podLines(world, snapshot)
  const changed = [...pods].filter(([pod, line]) => squeezed(stage.pods.get(pod)) !== squeezed(line))
  const out = [...changed.map(([, line]) => line), ...passLines(world, now, stage.last)]
  Object.assign(stage, { memory: now.memory, last: now, pods })
  // The record is written from the status by the same pass.
  if (now.memory.formedAt !== undefined) world.recordedFormedAt = now.memory.formedAt
  return [...lines, '----', ...out].join('\n')
}

/** A line without its padding, which follows from the other lines. */
function squeezed(line: string | undefined): string | undefined {
  return line?.replaceAll(/ +/g, ' ')
}

function carryOut(stage: Stage, line: string): void {
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
