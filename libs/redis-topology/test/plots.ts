import fc from 'fast-check'
import type { Pass } from './pass.ts'
import { look, newStage, perform, type Stage } from './stage.ts'
import { formedWorld, leftWorld, newWorld, type Place, seededWorld } from './world.ts'

/** What is to happen to a cluster of some shape, one thing after the other. */
export type Plot = {
  readonly shape: readonly [shards: number, members: number]
  /** `seeded`: its pods are there; `started`: with their servers. `left`: over the volumes of another one. */
  readonly from: 'new' | 'formed' | 'seeded' | 'seeded and started' | 'left' | 'left and started'
  readonly events: readonly {
    /** What was ordered last is carried out first. */
    readonly obeyed: boolean
    /** Whom it befalls: `$` in `what`. */
    readonly place: number
    readonly what: string
  }[]
}

const TO_ANY = [
  'die',
  'kill',
  'restart',
  'start',
  'move',
  'delete',
  'remove',
  'silent',
  'refuse',
  'deny',
  'load',
  'answer',
]
const TO_SERVERS = [
  'keys $ 0',
  'keys $ 7',
  'drop $ 100-6000',
  'stranger $ none',
  'set $ cluster-node-timeout 500',
  'mistake $ orders-1-1 with epoch 99',
  'cut $',
  'heal $',
  'report $ 137',
]
const TO_SLOTS = [
  'open $ 93 orders-1-0',
  'import $ 93 orders-0-0',
  'carry $ 93 5',
  'dispute $ 93 orders-1-0',
  'settle $',
  'busy $',
  'leave $',
]
const TO_REPLICAS = ['unlink $ 0', 'unlink $ 7', 'sync $', 'promote $', 'offset $ 5']
const TO_ALL = [
  'machine worker-1 lost',
  'machine worker-1 back',
  'machine worker-1 out of service',
  'machine worker-2 lost',
  'pods have no volumes',
  'shards may start empty',
  'look',
  'wait 3 s',
  'wait 20 s',
  'erase status',
  'erase record',
  'give up shard 0',
  'give up shard 1',
]

/** Plots of up to twenty events. */
export const plots: fc.Arbitrary<Plot> = fc.record({
  shape: fc.constantFrom<Plot['shape']>([3, 2], [3, 3], [5, 2]),
  from: fc.constantFrom<Plot['from'][]>('new', 'formed', 'seeded', 'seeded and started', 'left', 'left and started'),
  events: fc.array(
    fc.record({
      obeyed: fc.boolean(),
      place: fc.nat(14),
      what: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...TO_ANY.map((verb) => `${verb} $`)) },
        { weight: 2, arbitrary: fc.constantFrom(...TO_SERVERS) },
        { weight: 2, arbitrary: fc.constantFrom(...TO_SLOTS) },
        { weight: 3, arbitrary: fc.constantFrom(...TO_REPLICAS) },
        { weight: 2, arbitrary: fc.constantFrom(...TO_ALL) },
      ),
    }),
    { maxLength: 20 },
  ),
})

/** Plots in which slots are moved most of all, between the first servers of shards. */
export const movePlots: fc.Arbitrary<Plot> = fc.record({
  shape: fc.constant<Plot['shape']>([3, 2]),
  from: fc.constant<Plot['from']>('formed'),
  events: fc.array(
    fc.record({
      obeyed: fc.boolean(),
      place: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 2, 4) }, { weight: 1, arbitrary: fc.nat(5) }),
      what: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(...TO_SLOTS) },
        { weight: 3, arbitrary: fc.constantFrom('wait 1 s', 'wait 3 s', 'wait 60 s') },
        {
          weight: 3,
          arbitrary: fc.constantFrom('kill $', 'restart $', 'silent $', 'answer $', 'cut $', 'heal $', 'promote $'),
        },
      ),
    }),
    { maxLength: 25 },
  ),
})

const BEGINNINGS = {
  new: [newWorld, 'start all'],
  formed: [formedWorld, 'look'],
  seeded: [seededWorld, 'create all'],
  'seeded and started': [seededWorld, 'boot all'],
  left: [leftWorld, 'create all'],
  'left and started': [leftWorld, 'boot all'],
} as const

/** Plots of a cluster of a restore, or over the volumes of another one, most of all before it was whole once. */
export const [restoredPlots, leftPlots] = [
  unwholePlots('seeded', 'seeded and started'),
  unwholePlots('left', 'left and started'),
]

function unwholePlots(...from: readonly Plot['from'][]): fc.Arbitrary<Plot> {
  return fc.record({
    shape: fc.constant<Plot['shape']>([3, 2]),
    from: fc.constantFrom(...from),
    events: fc.array(
      fc.record({
        obeyed: fc.boolean(),
        place: fc.nat(5),
        what: fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom('boot $', 'load $', 'kill $', 'remove $', 'sync $', 'promote $') },
          {
            weight: 3,
            arbitrary: fc.constantFrom('boot all', 'answer all', 'wait 20 s', 'erase status', 'erase record'),
          },
          {
            weight: 3,
            arbitrary: fc.constantFrom(
              'start orders-1-0',
              'start all',
              'shards may start empty',
              'give up shard 1',
              'stranger $ none',
            ),
          },
        ),
      }),
      { maxLength: 15 },
    ),
  })
}

/** Plays a plot. After each line that happened there is a look; `seen` is told of the line, the look and the stage. */
export function play(plot: Plot, seen: (line: string, now: Pass, stage: Stage) => void): Stage {
  const [shards, members] = plot.shape
  const [world, beginning] = BEGINNINGS[plot.from]
  const stage = newStage(world(shards, members))
  perform(stage, beginning)
  seen(`${plot.from} cluster`, look(stage), stage)
  for (const { obeyed, place, what } of plot.events) {
    const chosen = stage.world.places[place % stage.world.places.length]
    const happen = (line: string): void => {
      perform(stage, line)
      seen(line, look(stage), stage)
    }
    if (obeyed && (stage.last?.commands.length ?? 0) > 0) happen('obey')
    // Nobody moves slots of a cluster that is being formed.
    const early = plot.from !== 'formed' && TO_SLOTS.includes(what)
    if (chosen !== undefined && !early && isPossible(what, chosen)) happen(what.replace('$', chosen.pod))
  }
  return stage
}

function isPossible(what: string, place: Place): boolean {
  const isReplica = place.node.primaryId !== undefined && place.alive
  if (what.startsWith('promote')) return isReplica && place.heardLast === undefined
  if (what.startsWith('open') && !place.node.slots.some(({ first, last }) => first <= 93 && 93 <= last)) return false
  if (/^(open|import|dispute)/.test(what) && (isReplica || !place.alive || what.endsWith(place.pod))) return false
  return !TO_REPLICAS.includes(what) || isReplica
}
