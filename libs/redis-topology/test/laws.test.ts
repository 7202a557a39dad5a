import fc from 'fast-check'
import { expect, test } from 'vitest'
import { common, formatRanges, type SlotRange, uncovered } from '../src/slots.ts'
import { isUp, type Member, type Snapshot } from '../src/snapshot.ts'
import { brokenLaws } from './laws.ts'
import { type Pass, pass } from './pass.ts'
import { leftPlots, movePlots, type Plot, play, plots, restoredPlots } from './plots.ts'
import { snapshotOf } from './snapshot-of.ts'
import { look, perform } from './stage.ts'
import type { World } from './world.ts'

/** Plots that once broke a law. */
const BROKE: readonly Plot[] = [
  {
    shape: [3, 2],
    from: 'new',
    events: [
      { obeyed: false, place: 0, what: 'mistake $ orders-1-1 with epoch 99' },
      { obeyed: true, place: 0, what: 'unlink $ 0' },
      { obeyed: true, place: 0, what: 'move $' },
    ],
  },
]

test.each([
  ['whatever happens', plots, 120, BROKE],
  ['whoever moves slots, and stops', movePlots, 200, []],
  ['of what a restore has left', restoredPlots, 200, []],
  ['over the volumes that another cluster left', leftPlots, 200, []],
])('%s, no pass breaks a law, and no command leaves a slot without an owner', (_what, arbitrary, numRuns, broke) => {
  fc.assert(
    fc.property(arbitrary, (plot) => {
      const told: string[] = []
      let before: readonly SlotRange[] = []
      play(plot, (line, now, { world }) => {
        told.push(line)
        const owned = ownedIn(world)
        const lost = line === 'obey' ? formatRanges(common(before, uncovered(owned))) : ''
        expect({ told, broken: brokenLaws(now), lost }).toEqual({ told, broken: [], lost: '' })
        before = owned
      })
    }),
    { numRuns: numRuns + broke.length, examples: broke.map((plot): [Plot] => [plot]) },
  )
})

test('the order in which members and rows were seen is of no consequence', () => {
  fc.assert(
    fc.property(plots, fc.infiniteStream(fc.nat(1_000)), (plot, dice) => {
      play(plot, (_line, { given, memory }, { world }) => {
        const { desired, snapshot } = given
        const first = pass(desired, snapshot, memory, world.now)
        const second = pass(desired, shuffled(snapshot, dice), memory, world.now)
        expect(decidedIn(second)).toEqual(decidedIn(first))
      })
    }),
    { numRuns: 40 },
  )
})

test('when nothing more happens it comes to rest: healed, or waiting for a person or for an election', () => {
  fc.assert(
    fc.property(plots, (plot) => {
      const stage = play(plot, () => {})
      for (const line of ['move all', 'heal all', 'answer all', 'leave all', 'settle all']) perform(stage, line)
      let now = look(stage)
      // Where one look ends an operation, the next may begin what it held up; and an election is waited for a minute.
      for (let rounds = 60, quiet = 0; rounds > 0 && quiet < 5; rounds--) {
        quiet = now.commands.length === 0 ? quiet + 1 : 0
        if (quiet === 0) perform(stage, 'obey')
        perform(stage, 'wait 20 s')
        now = look(stage)
      }
      const found = now.findings.map((one) => one.type)
      expect(now.commands).toEqual([])
      // Blocked is told by the condition Stalled, whatever else there is to heal.
      if (!found.includes('PrimaryDown') && !found.includes('Blocked'))
        expect({ found, state: now.state }).toEqual({ found, state: expect.stringMatching(/Healthy|Stalled/) })
      if (now.state === 'Healthy') expect(formatRanges(ownedIn(stage.world))).toBe('0-16383')
    }),
    { numRuns: 80 },
  )
})

/** The slots that somebody owns by the word of any server that lives. */
function ownedIn(world: World): readonly SlotRange[] {
  const places = world.places.map((place) => ({ ...place, contact: place.alive ? ('up' as const) : place.contact }))
  const { members } = snapshotOf({ ...world, places })
  return members.filter(isUp).flatMap((one) => one.contact.view.rows.flatMap((row) => row.slots))
}

type Dice = { next(): { readonly value: number } }
function shuffled(snapshot: Snapshot, dice: Dice): Snapshot {
  const inDisorder = <T>(all: readonly T[]): readonly T[] =>
    all
      .map((one) => ({ one, place: dice.next().value }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ one }) => one)
  const members = inDisorder(snapshot.members).map((member): Member => {
    if (!isUp(member)) return member
    const { view } = member.contact
    return { ...member, contact: { type: 'up', view: { ...view, rows: inDisorder(view.rows) } } }
  })
  return { ...snapshot, members }
}

function decidedIn({ findings, state, planned, memory }: Pass): unknown {
  return { findings, state, planned, memory }
}
