import { describe, expect, test } from 'vitest'
import { recalledEpoch } from '../src/recalled-epoch.ts'
import type { Member } from '../src/snapshot.ts'
import { caseOf, remembered, snapshot } from './six-members.ts'

const history = { ...remembered, epochs: { 0: 4, 1: 9, 2: 5 } }
/** A server that was just made and knows nobody, of such an epoch. */
const fresh =
  (currentEpoch = 0, rows = 1, keys = 0) =>
  (member: Member): Member => {
    if (member.contact.type !== 'up') return member
    const { view } = member.contact
    const own = view.rows.filter((row) => row.myself).map((row) => ({ ...row, configEpoch: currentEpoch, slots: [] }))
    const others = view.rows.filter((row) => !row.myself).slice(0, rows - 1)
    return {
      ...member,
      contact: { type: 'up', view: { ...view, role: 'primary', keys, currentEpoch, rows: [...own, ...others] } },
    }
  }
const formed = { formed: true } as Parameters<typeof snapshot>[0]
const after = (change: (member: Member) => Member) => recalledEpoch(caseOf(snapshot(formed, change), history))

describe('the epoch that is remembered', () => {
  test('where all servers are new, one begins above it', () => {
    expect(after(fresh())).toMatchObject({ pod: 'c-0-0', epoch: 10 })
  })

  test('one that knows somebody is not asked: it would refuse', () => {
    const others = (member: Member): Member => (member.pod === 'c-2-1' ? fresh()(member) : fresh(1, 2)(member))
    expect(after(others)).toMatchObject({ pod: 'c-2-1', epoch: 10 })
    expect(after(fresh(1, 2))).toBeUndefined()
  })

  test.each([9, 12])('where a server knows as much (%i), nobody is told', (epoch) => {
    const one = (member: Member): Member => (member.pod === 'c-1-1' ? fresh(epoch, 2)(member) : fresh()(member))
    expect(after(one)).toBeUndefined()
  })

  test('a server with keys keeps what it has', () => {
    expect(after(fresh(0, 1, 5))).toBeUndefined()
  })

  test('nothing is remembered: nobody is told', () => {
    expect(recalledEpoch(caseOf(snapshot(formed, fresh()), { ...history, epochs: {} }))).toBeUndefined()
  })
})
