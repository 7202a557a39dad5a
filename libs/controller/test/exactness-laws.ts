import type { World } from './in-memory-world.ts'

/** The ids of everything that was ever appended. */
export const idsOf = (world: World): string[] => world.stream.map(({ id }) => id)

/** What is told of each number, whatever its id. */
const wordsIn = (world: World): string[] => world.stream.map(({ data }) => `${data.from}-${data.to} ${data.time}`)

/**
 * What must hold once all is quiet, whatever befell processes, I/O, the world and what is stored: no id twice, lives one
 * after the other, each without a gap as far as it is told, the last one whole, nothing left waiting, and everything
 * told that was committed since something was last taken away. Gives what does not hold, in words.
 */
export function brokenLaws(world: World): readonly string[] {
  const broken: string[] = world.restless ? ['it does not come to rest'] : []
  const ids = idsOf(world).slice(world.expired)
  if (new Set(ids).size !== ids.length) broken.push('an id is told twice')

  const parsed = ids.map((id) => ({ life: id.replace(/:\d+$/, ''), seq: Number(id.split(':')[2]) }))
  parsed.forEach(({ life, seq }, index) => {
    const before = parsed[index - 1]
    const begins = parsed.findIndex((one) => one.life === life) === index
    // Of two processes one may tell again what the store has forgotten, and the other go on behind it.
    const follows = before?.life === life && (world.expired > 0 ? seq > before.seq : seq === before.seq + 1)
    if (!begins && !follows) broken.push(`${life}:${seq} is out of order`)
  })

  const { status, metadata } = world.object ?? {}
  const own = parsed.filter(({ life }) => life === `${metadata?.uid}:${status?.lifecycle.life}`)
  const last = status?.lifecycle.seq ?? 0
  const whole = own.length === last || world.expired > 0
  if (!whole) broken.push(`${own.length} of ${last} events of the last life are told`)
  if ((status?.outbox.length ?? 0) > 0) broken.push('the outbox is not empty')
  if (world.spilled.length > 0) broken.push('spills are left')
  if (status?.count !== world.truth) broken.push('the status is not the truth')
  return [...broken, ...untold(world)]
}

/** As above, and everything that was ever committed is told, in the order of the commits: while nothing is taken away. */
export function lostOrMoved(world: World): readonly string[] {
  const same = JSON.stringify(idsOf(world)) === JSON.stringify(world.committed)
  // A deposed process never writes after its successor.
  const inTurn = world.writers.every((writer, index) => writer >= (world.writers[index - 1] ?? 0))
  const chain = world.stream.map(({ data }) => data)
  const folds =
    chain.every((data, index) => data.from === (chain[index - 1]?.to ?? 0)) && chain.at(-1)?.to === world.truth
  return [
    ...brokenLaws(world),
    ...(same ? [] : ['not what was committed']),
    ...(inTurn ? [] : ['a deposed process has written']),
    ...(folds ? [] : ['folding the events does not give the status']),
  ]
}

/** What was committed since somebody last took something away, and is told never, twice or out of its order. */
function untold(world: World): readonly string[] {
  const due = world.told.slice(world.takenAwayAt)
  const words = wordsIn(world)
  const heard = words.filter((each) => due.includes(each))
  return JSON.stringify(heard) === JSON.stringify(due) ? [] : [`told ${heard.join()} instead of ${due.join()}`]
}
