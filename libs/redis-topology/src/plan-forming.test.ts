import { describe, expect, test } from 'vitest'
import { caseOf, idOf, noHistory, snapshot, types } from '../test/six-members.ts'
import type { NodeRow } from './cluster-nodes.ts'
import { diagnose, everFormed } from './diagnose.ts'
import { intentFor, plan } from './plan.ts'
import { evenRanges } from './slots.ts'
import type { History, Snapshot } from './snapshot.ts'

describe('forming', () => {
  /** Servers that know nobody, the primaries with slots where it is said. */
  const strangers = (assigned: (shard: number) => boolean): Snapshot =>
    snapshot({ formed: false }, (member) => {
      if (member.contact.type !== 'up') return member
      const { shard, index, contact } = member
      const slots = index === 0 && assigned(shard) ? [evenRanges(3)[shard] ?? { first: 0, last: 0 }] : []
      const rows = contact.view.rows.filter((row) => row.myself).map((row) => ({ ...row, slots }))
      return { ...member, contact: { type: 'up', view: { ...contact.view, rows } } }
    })

  test('empty servers that know nobody are met, with the timeout lowered and distinct epochs, and get their slots', () => {
    const given = caseOf(
      strangers(() => false),
      noHistory,
    )
    expect(everFormed(given)).toBe(false)
    expect(types(given)).toEqual(Array.from({ length: 6 }, () => 'NodesIsolated'))
    expect(intentFor(given, diagnose(given), false)).toEqual({ type: 'FormCluster', target: 'cluster' })
    expect(plan(given, diagnose(given), false, undefined)).toEqual([])
    const [assign, meet, ...rest] = plan(given, diagnose(given), false, '1:2')
    expect(rest).toEqual([])
    expect(meet).toMatchObject({ type: 'MeetNodes', opId: '1:2' })
    expect(meet?.type === 'MeetNodes' && meet.meets.flatMap((one) => one.peers)).toHaveLength(15)
    // No replica has a greater one than any primary: Valkey 9 would take what it says as a replica for stale.
    expect(meet?.type === 'MeetNodes' && meet.forming?.map((one) => one.epoch)).toEqual([4, 1, 5, 2, 6, 3])
    expect(assign).toMatchObject({ type: 'AssignSlots', opId: '1:2' })
    expect(assign?.type === 'AssignSlots' && assign.assignments).toEqual(
      evenRanges(3).map((range, shard) => ({ pod: `c-${shard}-0`, nodeId: idOf(shard, 0), ranges: [range] })),
    )
  })

  test('while they are being met, only those without slots are given theirs', () => {
    const operation = { id: '1:2', type: 'FormCluster', target: 'cluster', since: '' }
    const commandsAfter = (assigned: (shard: number) => boolean) => {
      const given = caseOf(strangers(assigned), { ...noHistory, operation })
      return plan(given, diagnose(given), everFormed(given), '1:2')
    }
    const [assign] = commandsAfter((shard) => shard !== 1)
    expect(assign?.type === 'AssignSlots' && assign.assignments.map((one) => one.pod)).toEqual(['c-1-0'])
    expect(commandsAfter(() => true).map((command) => command.type)).toEqual(['MeetNodes'])
  })

  test('servers that know each other get all slots, once, and replicas', () => {
    const given = caseOf(snapshot({ formed: false }), noHistory)
    const commands = plan(given, diagnose(given), false, '1:2')
    expect(commands.map((command) => command.type)).toEqual(['AssignSlots', 'AttachReplicas'])
  })

  test('the timeouts are given back when every node has heard of every replica, and not before', () => {
    const operation = { id: '1:2', type: 'FormCluster', target: 'cluster', since: '' }
    const typesWhen = (heard: boolean) => {
      const snap = snapshot({ formed: true }, (member) => {
        if (member.contact.type !== 'up') return member
        const { view } = member.contact
        const unheard = (row: NodeRow): NodeRow => {
          const { primaryId: _unknown, ...rest } = row
          return { ...rest, role: 'primary' }
        }
        const stale = !heard && member.pod === 'c-0-0'
        const rows = view.rows.map((row) => (stale && row.nodeId === idOf(1, 1) ? unheard(row) : row))
        const settings = { ...view.settings, 'cluster-node-timeout': '500' }
        return { ...member, contact: { type: 'up', view: { ...view, rows, settings } } }
      })
      const given = caseOf(snap, { ...noHistory, operation })
      const findings = diagnose(given)
      return {
        found: [...new Set(findings.map((one) => one.type))],
        planned: plan(given, findings, false, '1:2').map((command) => command.type),
      }
    }
    expect(typesWhen(false)).toEqual({ found: ['ReplicasMissing', 'SettingsDrifted'], planned: [] })
    expect(typesWhen(true)).toEqual({ found: ['SettingsDrifted'], planned: ['ConfigureNodes'] })
  })

  test('one trace of a history forbids a second formation', () => {
    const traces: readonly [Snapshot, History][] = [
      [snapshot({ formed: false }), { ...noHistory, formedAt: 'then' }],
      [{ ...snapshot({ formed: false }), recordedFormedAt: 'then' }, noHistory],
      [
        snapshot({ formed: false }, (member) =>
          member.contact.type === 'up' && member.pod === 'c-2-1'
            ? { ...member, contact: { type: 'up', view: { ...member.contact.view, keys: 1 } } }
            : member,
        ),
        noHistory,
      ],
      [
        snapshot({ formed: false }, (member) =>
          member.contact.type === 'up' && member.pod === 'c-2-1'
            ? { ...member, contact: { type: 'up', view: { ...member.contact.view, currentEpoch: 1 } } }
            : member,
        ),
        noHistory,
      ],
    ]
    for (const [snap, history] of traces) {
      const given = caseOf(snap, history)
      expect(everFormed(given)).toBe(true)
      const findings = diagnose(given)
      expect(['DataMissing', 'HistoryDisputed']).toContain(findings[0]?.type)
      expect(plan(given, findings, true, '1:2').map((command) => command.type)).not.toContain('AssignSlots')
    }
  })
})
