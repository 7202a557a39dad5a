import { brokenLaws } from './laws.ts'
import { passLines, podLines } from './render-step.ts'
import { look, newStage, perform, type Stage } from './stage.ts'
import { formedWorld, leftWorld, newWorld, seededWorld, type World } from './world.ts'

/** A scenario told anew: its text as it should be, and the laws that were broken on the way. */
export type Told = { readonly text: string; readonly broken: readonly string[] }

type Scene = { readonly stage: Stage; readonly broken: string[]; pods: ReadonlyMap<string, string> }

/**
 * Tells a scenario anew. Its text is a paragraph that says why it exists, and then steps with an empty line between
 * them: the changes, a line `----`, and what a pass makes of them. All but the last is read, the last is written.
 */
export function retell(text: string): Told {
  const [why = '', beginning = '', ...steps] = text.trimEnd().split(/\n\n+/)
  const scene: Scene = { stage: newStage(begin(beginning)), broken: [], pods: new Map() }
  const told = [why, ...[beginning, ...steps].map((step, place) => tellStep(scene, step, place))]
  return { text: `${told.join('\n\n')}\n`, broken: scene.broken }
}

/** Whether a scenario says in words why it exists. */
export function saysWhy(text: string): boolean {
  const [why = ''] = text.split('\n\n')
  return why.length > 80 && !why.includes('----')
}

const BEGINNINGS = { new: newWorld, formed: formedWorld, seeded: seededWorld, left: leftWorld }

function begin(step: string): World {
  const [, kind, shards, members] =
    /^(new|formed|seeded|left) cluster of (\d+) shards with (\d+) members$/m.exec(step) ?? []
  if (kind === undefined)
    throw new Error(`a scenario begins with a new, a formed, a seeded or a left cluster, not with: ${step}`)
  return BEGINNINGS[kind as keyof typeof BEGINNINGS](Number(shards), Number(members))
}

function tellStep(scene: Scene, step: string, place: number): string {
  const { stage } = scene
  const [read = ''] = step.split(/^----$/m)
  const lines = read.split('\n').filter((line) => line !== '')
  const changes = lines.filter((one) => !one.startsWith('#')).slice(place === 0 ? 1 : 0)
  for (const line of changes) perform(stage, line)
  const before = stage.last
  const now = look(stage)
  scene.broken.push(...brokenLaws(now).map((law) => `${lines.join('; ')}: ${law}`))
  const pods = podLines(stage.world, now.given.snapshot)
  const changed = [...pods].filter(([pod, line]) => squeezed(scene.pods.get(pod)) !== squeezed(line))
  scene.pods = pods
  return [...lines, '----', ...changed.map(([, line]) => line), ...passLines(stage.world, now, before)].join('\n')
}

/** A line without its padding, which follows from the other lines. */
function squeezed(line: string | undefined): string | undefined {
  return line?.replaceAll(/ +/g, ' ')
}
