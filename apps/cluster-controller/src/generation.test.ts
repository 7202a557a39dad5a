import { ANNOTATION, FINALIZER, redisClusterSpec } from '@slotkeeper/api'
import type { StatusOf } from '@slotkeeper/controller'
import type { ClusterStatus } from '@slotkeeper/events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ClusterObject } from './cluster-object.ts'
import { type AppCommand, decide } from './decide.ts'
import type { Observed } from './observe.ts'
import type { ObservedGeneration } from './observe-generation.ts'

const now = Date.parse('2026-11-22T10:00:00Z')
const settings = { podUid: 999, nodeLossMs: 300_000, eventTrouble: () => null }
const restore = { name: 'monday', uid: 'uid-of-monday', inPlace: true }
const formedAt = '2026-11-01T00:00:00Z'
const topology = [0, 1, 2].map((shard) => ({
  shard,
  slots: '1',
  nodes: { [`orders-${shard}-0`]: `${shard}`.repeat(40) },
}))
const before: StatusOf<ClusterStatus> = {
  state: 'Healing',
  formedAt,
  topology,
  binding: { name: 'orders-connection' },
  lifecycle: { life: 1, seq: 3, published: 3, epoch: 1, holder: 'a' },
  outbox: [],
}
const members = [0, 1, 2].map((shard) => ({
  pod: `orders-${shard}-0`,
  shard,
  index: 0,
  kube: null,
  contact: { type: 'absent' as const },
}))
const setsOf = (keeps: boolean) => [0, 1, 2].map((shard) => ({ name: `orders-${shard}`, uid: `set-${shard}`, keeps }))
const podsOf = (deleting: boolean) =>
  [0, 1, 2].map((shard) => ({ name: `orders-${shard}-0`, uid: `${shard}`, deleting }))
const filled: ObservedGeneration = { sets: setsOf(true), pods: podsOf(false), begun: false, trouble: null }

const cluster = (status: ClusterObject['status'], spec: object = {}, annotations: object = {}): ClusterObject => ({
  metadata: {
    namespace: 'shop',
    name: 'orders',
    uid: 'ours',
    resourceVersion: '1',
    generation: 2,
    finalizers: [FINALIZER],
    annotations: { ...annotations },
  },
  spec: redisClusterSpec.parse({
    version: 'valkey-9.1',
    shards: 3,
    replicasPerShard: 0,
    storage: { size: '1Gi' },
    bootstrap: { restore },
    ...spec,
  }),
  status,
})

function decided(object: ClusterObject, generation: ObservedGeneration, seen: Partial<Observed> = {}) {
  const observed = { snapshot: { members, inboundLinks: {} }, owned: {}, behind: [], generation, ...seen }
  const decision = decide({ object, observed, now, failures: [] }, settings)
  const stalled = decision.status.conditions?.find((one) => one.type === 'Stalled')
  return { ...decision, words: stalled?.reason === 'RestoreHeld' ? stalled.message : undefined }
}

const inWords = (commands: readonly AppCommand[]): readonly string[] =>
  commands.map((one) => ('name' in one ? `${one.type} ${'kind' in one ? one.kind : ''} ${one.name}` : one.type))
const appliedSets = (commands: readonly AppCommand[]): readonly AppCommand[] =>
  commands.filter((one) => one.type === 'ApplyObject' && one.kind === 'StatefulSet')

describe('what is there goes on as it was', () => {
  test.each<[string, RegExp, object, object, Partial<ObservedGeneration>]>([
    ['a new volume is not there', /no claim/, {}, {}, { trouble: 'no claim' }],
    ['the cluster is paused', /spec\.paused/, { paused: true }, {}, {}],
    [
      'a person gave up data of a shard, and meant that of before',
      /accept-data-loss/,
      {},
      { [ANNOTATION.acceptDataLoss]: '1@2026-11-22T10:30:00Z' },
      {},
    ],
  ])('while %s', (_, words, spec, annotations, generation) => {
    const decision = decided(cluster(before, spec, annotations), { ...filled, ...generation })
    expect(decision.words).toMatch(words)
    expect(decision.status).toMatchObject({ state: 'Healing', topology: [{ nodes: topology[0]?.nodes }, {}, {}] })
    expect(decision.status.restored).toBeUndefined()
    expect(decision.events.map((one) => one.type)).not.toContain('RestoreBegun')
    expect(JSON.stringify(appliedSets(decision.commands))).not.toMatch(/data-0|RESTORE_UID/)
    expect(inWords(decision.commands)).not.toContainEqual(expect.stringMatching(/ReplaceVolumes|DeleteObject/))
  })

  test('also where the data of before is that of another restore in place', () => {
    const sunday = { name: 'sunday', uid: 'uid-of-sunday', since: formedAt, formedAt }
    const decision = decided(cluster({ ...before, restored: sunday }), { ...filled, trouble: 'no claim' })
    expect(decision.status.restored).toEqual(sunday)
    expect(JSON.stringify(appliedSets(decision.commands))).toContain('uid-of-sunday')
    expect(decision.words).toBeDefined()
  })
})

test('once all is there the records start anew, and nothing is done before that is committed', () => {
  const decision = decided(cluster(before), filled)
  expect(decision.status).toMatchObject({ state: 'Restoring', formedAt, restored: { uid: restore.uid } })
  expect(decision.status.restored?.formedAt).toBeUndefined()
  expect(decision.status.operation).toMatchObject({ type: 'ReplaceVolumes' })
  expect(decision.status.binding).toEqual(before.binding)
  expect(decision.status.topology?.flatMap((one) => Object.keys(one.nodes))).toEqual([])
  const told = decision.events.map((one) => one.type)
  expect(told.slice(0, 2)).toEqual(['SpecChanged', 'RestoreBegun'])
  expect(told).not.toContain('MemberLeft')
  // Not even where the commit is held up, and what needs no intent is done all the same.
  expect(inWords(decision.commands)).not.toContainEqual(expect.stringMatching(/ReplaceVolumes|DeleteObject/))
  const orphans = decided(cluster(before), { ...filled, sets: [] })
  expect(inWords(orphans.commands)).not.toContainEqual(expect.stringMatching(/DeleteObject/))
  expect(appliedSets(decided(cluster(before), { ...filled, sets: [], pods: [] }).commands)).toEqual([])

  const next = decided(cluster({ ...before, ...decision.status, lifecycle: before.lifecycle, outbox: [] }), filled)
  const [command] = next.commands.filter((one) => one.type === 'ReplaceVolumes')
  expect(command).toMatchObject({ opId: decision.status.operation?.id, restore: restore.uid, shards: 3 })
  expect(appliedSets(next.commands)).toEqual([])
})

describe('an order that is taken out of the spec', () => {
  const without = { bootstrap: {} }

  test('before it was followed leaves no trace', () => {
    const held = decided(cluster(before), { ...filled, trouble: 'no claim' })
    const status = { ...before, ...held.status, lifecycle: before.lifecycle, outbox: [] }
    const decision = decided(cluster(status, without), filled)
    expect(decision.words).toBeUndefined()
    expect(decision.status.restored).toBeUndefined()
    expect(decision.events.map((one) => one.type)).not.toContain('RestoreWithdrawn')
    expect(JSON.stringify(appliedSets(decision.commands))).toMatch(/"name":"data"/)
  })

  test('after it was committed is told, and the StatefulSets are those of before again', () => {
    const begun = decided(cluster(before), filled)
    const status = { ...before, ...begun.status, lifecycle: before.lifecycle, outbox: [] }
    const decision = decided(cluster(status, without), filled)
    expect(decision.events).toContainEqual(expect.objectContaining({ type: 'RestoreWithdrawn' }))
    expect(decision.status).toMatchObject({ formedAt })
    expect(decision.status.restored).toBeUndefined()
    expect(decision.status.operation).toBeUndefined()
    expect(inWords(decision.commands)).not.toContainEqual(expect.stringMatching(/ReplaceVolumes|DeleteObject/))
    expect(appliedSets(decision.commands)).toHaveLength(3)
    expect(JSON.stringify(appliedSets(decision.commands))).not.toMatch(/data-0|RESTORE_UID/)
  })
})

test('the one whose data it had before may be set instead, until servers are started: it is that again, and is told as such', () => {
  const sunday = { name: 'sunday', uid: 'uid-of-sunday', since: formedAt, formedAt }
  const instead = { bootstrap: { restore: { name: 'sunday', uid: 'uid-of-sunday', inPlace: true } } }
  const begun = decided(cluster({ ...before, restored: sunday }), filled)
  expect(begun.status).toMatchObject({ restored: { uid: restore.uid, former: sunday } })
  const status = { ...before, ...begun.status, lifecycle: before.lifecycle, outbox: [] }
  for (const gone of [false, true]) {
    // The StatefulSets of before are those of the volumes that are wanted; or none is left.
    const seen = { sets: [], pods: [], begun: !gone, ...(gone ? { trouble: null } : {}) }
    const back = decided(cluster(status, instead), seen)
    expect(back.status.restored).toEqual(sunday)
    const told = back.events.map((one) => one.type)
    expect(told).toContain('RestoreWithdrawn')
    expect(told.filter((one) => ['RestoreBegun', 'Restored'].includes(one))).toEqual([])
    const next = decided(cluster({ ...before, ...back.status, lifecycle: before.lifecycle, outbox: [] }, instead), seen)
    expect(next.status.restored).toEqual(sunday)
    expect(JSON.stringify(appliedSets(next.commands))).toContain('uid-of-sunday')
    expect(inWords(next.commands)).not.toContainEqual(expect.stringMatching(/ReplaceVolumes|DeleteObject/))
  }
  // Once servers were started on the new volumes, they are to be stopped first.
  const late = decided(cluster(status, instead), {
    sets: setsOf(true),
    pods: podsOf(false),
    begun: false,
    trouble: null,
  })
  expect(late.events.map((one) => one.type)).toContain('RestoreBegun')
  expect(late.status).toMatchObject({ restored: { uid: 'uid-of-sunday' }, operation: { type: 'ReplaceVolumes' } })
  expect(late.status.restored?.formedAt).toBeUndefined()
})

test('what was under way for the data of before is given up', () => {
  const operation = { id: '1:2', type: 'FailOver', target: 'orders-0-1', since: new Date(now).toISOString() }
  const decision = decided(cluster({ ...before, operation }), filled)
  expect(decision.events).toContainEqual(expect.objectContaining({ type: 'OperationAbandoned' }))
  expect(decision.commands.map((one) => one.type)).not.toContain('FailOver')
})

describe('from then on', () => {
  const begun = { ...before, state: 'Restoring', topology: [], restored: { ...restore, since: formedAt } }
  const after = ({ inPlace: _, ...restored }: typeof restore) => ({
    ...begun,
    restored: { ...restored, since: formedAt },
  })

  test('pods of before that nobody owns are ended, and waited for; no StatefulSet is made beside them', () => {
    const left = decided(cluster(after(restore)), { sets: [], pods: podsOf(false), begun: false })
    expect(inWords(left.commands).filter((one) => one.startsWith('DeleteObject Pod'))).toHaveLength(3)
    expect(appliedSets(left.commands)).toEqual([])
    const ending = decided(cluster(after(restore)), { sets: [], pods: podsOf(true), begun: false })
    expect(inWords(ending.commands).filter((one) => one.startsWith('DeleteObject Pod'))).toEqual([])
    expect(appliedSets(ending.commands)).toEqual([])
  })

  test('when all of before is gone, the StatefulSets claim the new volumes', () => {
    const { commands, status } = decided(cluster(after(restore)), { sets: [], pods: [], begun: false })
    expect(appliedSets(commands)).toHaveLength(3)
    expect(JSON.stringify(appliedSets(commands))).toMatch(/"name":"data-0[0-9a-f]{7}"/)
    expect(status).toMatchObject({ state: 'Restoring', formedAt })
  })

  test('unless the new volumes are gone by then: nothing is started, the operation stays open, and the ways on are said', () => {
    const operation = { id: '1:2', type: 'ReplaceVolumes', target: 'cluster', since: formedAt }
    const gone = { sets: [], pods: [], begun: false, trouble: 'no claim' }
    const decision = decided(cluster({ ...after(restore), operation }), gone)
    expect(appliedSets(decision.commands)).toEqual([])
    expect(decision.status.operation).toEqual(operation)
    expect(decision.words).toMatch(/no claim.*spec\.bootstrap\.restore.*another RedisRestore/)
    const back = decided(cluster({ ...after(restore), operation }), { ...gone, trouble: null })
    expect(appliedSets(back.commands)).toHaveLength(3)
    expect(back.status.operation).toBeUndefined()
  })

  test('its Secrets are never made anew', () => {
    const missing = { secret: 'orders-auth', message: 'is gone' }
    const { commands } = decided(
      cluster(after(restore)),
      { sets: [], pods: [], begun: true },
      { secretMissing: missing },
    )
    expect(inWords(commands)).not.toContain('ApplyObject Secret orders-auth')
  })

  test('what was restored once is never given up for itself, whatever StatefulSets are there', () => {
    const whole = {
      ...after(restore),
      state: 'Healthy',
      restored: { name: 'monday', uid: restore.uid, since: formedAt, formedAt },
    }
    const { commands, events } = decided(cluster(whole), filled)
    expect(inWords(commands)).not.toContainEqual(expect.stringMatching(/ReplaceVolumes|DeleteObject/))
    expect(events.map((one) => one.type)).not.toContain('RestoreBegun')
  })
})

/** A cluster around the decisions: StatefulSets, pods and claims that obey, and records that may be lost. */
class Play {
  status: StatusOf<ClusterStatus> | null = before
  record: NonNullable<Observed['recordedRestore']> | null = null
  sets = setsOf(false).map((one) => ({ ...one, isNew: false }))
  pods = podsOf(false)
  hasClaims = true
  readonly broken: string[] = []
  private seq = 3

  pass(crashAfter = 99): void {
    const former = this.sets.filter((one) => !one.isNew)
    const begun = this.sets.some((one) => one.isNew)
    const isOurs = [this.status?.restored, this.record].some((one) => one?.uid === restore.uid)
    const isLeft = former.length + this.pods.length > 0
    const trouble = begun || (isOurs && isLeft) ? {} : { trouble: this.hasClaims ? null : 'no claim' }
    const generation = { sets: former, pods: this.pods, begun, ...trouble }
    const owned = Object.fromEntries(
      former.map((one) => [
        `StatefulSet/${one.name}`,
        { ...one, kind: 'StatefulSet', namespace: 'shop', cluster: 'orders', ownerUid: 'ours' },
      ]),
    )
    const { status, commands } = decided(cluster(this.status), generation, {
      owned,
      snapshot: { members, inboundLinks: {}, recordedFormedAt: formedAt },
      ...(this.record === null ? {} : { recordedRestore: this.record }),
    })
    if (crashAfter === 0) return
    if (trouble.trouble !== undefined && !this.hasClaims && !isOurs && status.restored !== undefined)
      this.broken.push('what is there is given up for volumes that are not')
    this.seq += 10
    this.status = {
      ...status,
      lifecycle: { ...before.lifecycle, seq: this.seq },
      outbox: [],
    } as StatusOf<ClusterStatus>
    for (const command of commands.slice(0, crashAfter - 1)) this.obey(command)
  }

  private obey(command: AppCommand): void {
    if (command.type === 'DeleteObject') this.pods = this.pods.filter((one) => one.uid !== command.uid)
    if (command.type === 'ApplyObject' && command.kind === 'StatefulSet')
      this.applySet(command.name, JSON.stringify(command.object).includes('"data-0'))
    if (command.type === 'ReplaceVolumes') this.replace(command)
  }

  private applySet(name: string, isNew: boolean): void {
    if (isNew && this.pods.length > 0) this.broken.push(`${name} is made while pods of before are there`)
    const isFirst = this.sets.every((one) => !one.isNew)
    if (isNew && isFirst && !this.hasClaims) this.broken.push(`${name} is made over volumes that are gone`)
    if (this.sets.every((one) => one.name !== name))
      this.sets = [...this.sets, { name, uid: `${name}-2`, keeps: true, isNew }]
  }

  private replace(command: Extract<AppCommand, { type: 'ReplaceVolumes' }>): void {
    if (command.opId !== this.status?.operation?.id) this.broken.push('an operation that nobody has committed')
    if (!this.hasClaims) return
    for (const { uid, keeps } of command.sets) {
      const set = this.sets.find((one) => one.uid === uid)
      if (set?.isNew === true) this.broken.push('what was restored is given up')
      if (!keeps) this.sets = this.sets.map((one) => (one === set ? { ...one, keeps: true } : one))
      else if (set?.keeps === true) this.sets = this.sets.filter((one) => one !== set)
    }
  }
}

test('killed at any instruction, with any record lost, it replaces the data, once, and never while volumes are missing', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 12 }) },
    { weight: 1, arbitrary: fc.constantFrom('erase', 'claims gone', 'claims back') },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      const play = new Play()
      for (const one of steps) {
        if (typeof one === 'number') play.pass(one)
        else if (one === 'erase') play.status = null
        else play.hasClaims = one === 'claims back'
      }
      play.hasClaims = true
      for (let round = 0; round < 12; round += 1) play.pass()
      expect(play.broken).toEqual([])
      expect(play.sets.map((one) => one.isNew)).toEqual([true, true, true])
      expect(play.pods).toEqual([])
      expect(play.status).toMatchObject({ state: 'Restoring', formedAt, restored: { uid: restore.uid } })
    }),
    { numRuns: 100 },
  )
})
