import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { caseOf, desired, idOf, kube, noHistory, remembered, snapshot, types } from '../test/six-members.ts'
import { assess } from './assess.ts'
import { type Case, diagnose, driftOf, everFormed } from './diagnose.ts'
import { intentFor, isFinished, outlived, plan } from './plan.ts'
import {
  type Contact,
  type Desired,
  type History,
  isUp,
  type Member,
  type PodView,
  type Snapshot,
  type UpMember,
} from './snapshot.ts'

const down =
  (contact: Contact, pods: Partial<PodView> = {}) =>
  (member: Member): Member => {
    if (member.pod === 'c-0-0') return { ...member, contact, kube: { ...kube, ...pods } }
    if (member.pod !== 'c-0-1' || member.contact.type !== 'up') return member
    return { ...member, contact: { type: 'up', view: { ...member.contact.view, linkUp: false } } }
  }
const unlinked = { 'c-1-0': [], 'c-2-0': [] }

describe('formed', () => {
  test('a sound cluster has no finding and no command', () => {
    const given = caseOf(snapshot({ formed: true }), remembered)
    expect(types(given)).toEqual([])
    expect(plan(given, [], true, undefined)).toEqual([])
  })

  test('a setting that is held in another form is no drift; one that no server knows is asked for, to be refused', () => {
    const settings = { 'cluster-node-timeout': '5000', 'repl-backlog-size': '16777216' }
    const snap = snapshot({ formed: true }, (member) =>
      isUp(member) ? { ...member, contact: { type: 'up', view: { ...member.contact.view, settings } } } : member,
    )
    const wanting = (wanted: Desired['settings']): Case => ({
      ...caseOf(snap, remembered),
      desired: { ...desired, settings: wanted },
    })
    const held = wanting({ 'repl-backlog-size': '16mb' })
    expect(driftOf(held.picture.up[0] as UpMember, held.desired, held.picture)).toEqual({
      'cluster-replica-no-failover': 'no',
    })
    const unknown = wanting({ 'no-such-setting': '1' })
    expect(plan(unknown, diagnose(unknown), true, undefined)).toMatchObject([
      { type: 'ConfigureNodes', settings: { 'c-0-0': { 'no-such-setting': '1' } } },
    ])
  })

  test('an erased status is no reason to act', () => {
    const given = caseOf(snapshot({ formed: true }), noHistory)
    expect(everFormed(given)).toBe(true)
    expect(plan(given, diagnose(given), true, undefined)).toEqual([])
  })

  test('of data that a restore replaces nothing is healed, and what was under way for it is given up', () => {
    const given = caseOf(snapshot({ formed: true }, down({ type: 'refused' })), remembered)
    const ordered = { type: 'RestoreOrdered', about: 'cluster', message: '' } as const
    const findings = [ordered, ...diagnose(given)]
    const operation = { id: '1:2', type: 'FailOver', target: 'c-0-1', since: '' }
    const failing: Case = { ...given, history: { ...given.history, operation } }
    const desiring = { ...given, desired: { ...given.desired, restored: true } }
    expect(intentFor(desiring, findings, true)).toEqual({ type: 'ReplaceVolumes', target: 'cluster' })
    expect(outlived(failing, findings)).toBe('a restore replaces the data')
    expect(plan(failing, findings, true, '1:2')).toEqual([])
    const replacing: Case = {
      ...failing,
      history: { ...failing.history, operation: { ...operation, type: 'ReplaceVolumes' } },
    }
    expect(isFinished(replacing, findings, true)).toBe(false)
    expect(isFinished(replacing, diagnose(given), true)).toBe(true)
  })

  test.each([
    ['silence', { type: 'silent', message: 'no answer' }, {}, unlinked],
    ['loading', { type: 'loading' }, {}, unlinked],
    ['a refusal, the others still linked', { type: 'refused' }, {}, { 'c-1-0': [idOf(0, 0)], 'c-2-0': [idOf(0, 0)] }],
    ['a refusal, one witness silent', { type: 'refused' }, {}, { 'c-1-0': [] }],
    ['a refusal of a pod that is being deleted', { type: 'refused' }, { deleting: true }, unlinked],
    [
      'a container ended that is not the one remembered',
      { type: 'silent', message: 'x' },
      { terminated: [{ containerId: 'containerd://bbbbbbbbbbbbffff', exitCode: 137, reason: 'Error' }] },
      {},
    ],
  ] as const)('%s is no proof of death', (_name, contact, pods, links) => {
    const given = caseOf(snapshot({ formed: true }, down(contact, pods), links), remembered)
    expect(types(given)).toContain('PrimaryDown')
    expect(intentFor(given, diagnose(given), true)).toBeNull()
  })

  test.each([
    ['a refusal with all witnesses', { type: 'refused' }, {}, unlinked],
    [
      'kubelet: the remembered container ended',
      { type: 'silent', message: 'x' },
      { terminated: [{ containerId: 'containerd://aaaaaaaaaaaaffff', exitCode: 137, reason: 'Error' }] },
      {},
    ],
  ] as const)('%s proves it: the replica takes over', (_name, contact, pods, links) => {
    const given = caseOf(snapshot({ formed: true }, down(contact, pods), links), remembered)
    expect(intentFor(given, diagnose(given), true)).toEqual({ type: 'FailOver', target: 'c-0-1' })
    const operation = { id: '1:9', type: 'FailOver', target: 'c-0-1', since: 'now' }
    const [first] = plan({ ...given, history: { ...given.history, operation } }, diagnose(given), true, '1:9')
    expect(first).toMatchObject({ type: 'FailOver', pod: 'c-0-1', nodeId: idOf(0, 1), opId: '1:9' })
  })

  test('a replica that was not in sync before is never promoted', () => {
    const given = caseOf(snapshot({ formed: true }, down({ type: 'refused' }), unlinked), {
      ...remembered,
      attached: ['c-1-1', 'c-2-1'],
    })
    expect(intentFor(given, diagnose(given), true)).toBeNull()
  })

  test('nor one whose link was down for longer than the node timeout: the engine has its turn', () => {
    const long = (member: Member): Member => {
      const one = down({ type: 'refused' })(member)
      return one.pod === 'c-0-1' && one.contact.type === 'up'
        ? { ...one, contact: { type: 'up', view: { ...one.contact.view, linkDownSeconds: 5 } } }
        : one
    }
    const given = caseOf(snapshot({ formed: true }, long, unlinked), remembered)
    expect(intentFor(given, diagnose(given), true)).toBeNull()
  })

  test('a primary on a leaving pod hands over', () => {
    const given = caseOf(
      snapshot({ formed: true }, (member) =>
        member.pod === 'c-1-0' ? { ...member, kube: { ...kube, deleting: true } } : member,
      ),
      remembered,
    )
    expect(types(given)).toEqual(['PrimaryLeaving'])
    expect(intentFor(given, diagnose(given), true)).toEqual({ type: 'HandOver', target: 'c-1-1' })
  })

  test('whatever is silent, formed clusters are never assigned slots, and the same case gives the same plan', () => {
    const contacts: readonly Contact[] = [
      { type: 'refused' },
      { type: 'loading' },
      { type: 'silent', message: '' },
      { type: 'absent' },
    ]
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.constantFrom(...contacts)), { minLength: 6, maxLength: 6 }),
        fc.boolean(),
        (chosen, knows) => {
          let place = 0
          const snap = snapshot({ formed: true }, (member) => {
            const contact = chosen[place++]
            return contact === null || contact === undefined ? member : { ...member, contact }
          })
          const given = caseOf(snap, knows ? remembered : { ...noHistory, formedAt: 'then' })
          const findings = diagnose(given)
          const commands = plan(given, findings, true, '1:1')
          expect(commands.map((command) => command.type)).not.toContain('AssignSlots')
          expect(commands.map((command) => command.type)).not.toContain('ForgetNode')
          expect(plan(caseOf(snap, given.history), diagnose(given), true, '1:1')).toEqual(commands)
        },
      ),
    )
  })
})

describe('a shard whose members all came back empty', () => {
  const reborn = (keys = 0, epoch = 3): Snapshot =>
    snapshot({ formed: true }, (member) => {
      if (member.shard !== 0 || member.contact.type !== 'up') return member
      const nodeId = `new${member.index}`.padEnd(40, 'f')
      const own = member.contact.view.rows.filter((row) => row.myself).map((row) => ({ ...row, nodeId, slots: [] }))
      const others = member.contact.view.rows.map((row) => ({ ...row, myself: false }))
      const contact: Contact = {
        type: 'up',
        view: {
          ...member.contact.view,
          nodeId,
          role: 'primary',
          keys,
          currentEpoch: epoch,
          rows: [...others, ...own.map((row) => ({ ...row, role: 'primary' as const }))],
        },
      }
      return { ...member, contact }
    })
  const startEmpty: History = {
    ...remembered,
    operation: { id: '1:2', type: 'StartEmpty', target: 'shard 0', since: '' },
  }
  const judged = (snap: Snapshot, mayStartEmpty: readonly number[], history = startEmpty) => {
    const wishes = { ...desired, mayStartEmpty }
    const given: Case = { desired: wishes, snapshot: snap, history, picture: assess(wishes, snap, history) }
    const findings = diagnose(given)
    const commands = plan(given, findings, true, '1:2')
    return { findings: findings.map((one) => one.type), commands, intent: intentFor(given, findings, true) }
  }

  test('waits for a person, unless it may start empty', () => {
    const waiting = judged(reborn(), [1, 2], remembered)
    expect(waiting.findings).toContain('DataMissing')
    expect(waiting.intent?.type).not.toBe('StartEmpty')
    const given = judged(reborn(), [0])
    expect(given.findings).toContain('DataGivenUp')
    expect(given.intent).toEqual({ type: 'StartEmpty', target: 'shard 0' })
  })

  test('its slots go to an empty member, and the claim of the lost node is let go', () => {
    expect(judged(reborn(), [0]).commands).toContainEqual({
      type: 'StartEmpty',
      opId: '1:2',
      shard: 0,
      pod: 'c-0-0',
      nodeId: 'new0'.padEnd(40, 'f'),
      ranges: [{ first: 0, last: 5460 }],
      release: [{ first: 0, last: 5460 }],
    })
  })

  test('a member that holds keys is never started over', () => {
    expect(judged(reborn(7), [0]).findings).toContain('DataMissing')
    expect(judged(reborn(7), [0]).commands.map((one) => one.type)).not.toContain('StartEmpty')
  })

  test('a member that has not heard of the highest epoch waits', () => {
    expect(judged(reborn(0, 1), [0]).commands.map((one) => one.type)).not.toContain('StartEmpty')
  })

  describe('and no server knows the epochs that are remembered', () => {
    const history: History = { ...startEmpty, epochs: { 0: 7, 1: 5, 2: 6 } }
    /** Only these answer, each a server that was just made and knows so many others. */
    const fresh = (pods: Readonly<Record<string, number>>): Snapshot =>
      snapshot({ formed: true }, (member) => {
        const others = pods[member.pod]
        if (others === undefined || member.contact.type !== 'up') return { ...member, contact: { type: 'absent' } }
        const { view } = member.contact
        const nodeId = `new${member.pod}`.padEnd(40, 'f')
        const own = view.rows
          .filter((row) => row.myself)
          .map((row) => ({ ...row, nodeId, role: 'primary' as const, slots: [], configEpoch: 0 }))
        const known = view.rows.filter((row) => !row.myself).slice(0, others)
        const so = { role: 'primary' as const, keys: 0, currentEpoch: 0, nodeId, rows: [...own, ...known] }
        return { ...member, contact: { type: 'up', view: { ...view, ...so } } }
      })

    test('one that knows nobody begins above them, and is introduced afterwards', () => {
      const { commands } = judged(fresh({ 'c-0-0': 0, 'c-0-1': 0 }), [0], history)
      expect(commands).toContainEqual(expect.objectContaining({ type: 'StartEmpty', pod: 'c-0-0', epoch: 8 }))
      expect(commands.map((one) => one.type)).not.toContain('MeetNodes')
    })

    test('one that knows somebody waits until it has met one that is told', () => {
      const { commands } = judged(fresh({ 'c-0-0': 1, 'c-0-1': 1, 'c-1-0': 0 }), [0], history)
      expect(commands.map((one) => one.type)).not.toContain('StartEmpty')
      expect(commands).toContainEqual(
        expect.objectContaining({ type: 'MeetNodes', recalled: expect.objectContaining({ pod: 'c-1-0', epoch: 8 }) }),
      )
    })

    test('where none is left to be told it starts all the same: what is not served helps nobody', () => {
      const { commands } = judged(fresh({ 'c-0-0': 1, 'c-0-1': 1 }), [0], history)
      const [command] = commands.filter((one) => one.type === 'StartEmpty')
      expect(command).toMatchObject({ pod: 'c-0-0' })
      expect(command).not.toHaveProperty('epoch')
    })
  })

  test('slots that another server serves meanwhile are left to it', () => {
    const history: History = { ...startEmpty, slots: { ...startEmpty.slots, 0: '0-5470' } }
    const [command] = judged(reborn(), [0], history).commands.filter((one) => one.type === 'StartEmpty')
    expect(command?.type === 'StartEmpty' && command.ranges).toEqual([{ first: 0, last: 5460 }])
  })
})
