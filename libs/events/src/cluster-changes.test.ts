import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ChangeContext } from './change-context.ts'
import { changes, withOperationId } from './cluster-changes.ts'
import { clusterEventData } from './cluster-events.ts'
import type { ClusterStatus, Condition, ShardStatus } from './cluster-status.ts'
import { fold, told } from './fold.ts'
import { formatSlots, type SlotRange } from './slot-ranges.ts'

const now = Date.parse('2026-11-21T10:00:00Z')
const formedAt = '2026-11-21T09:00:00.000Z'

const condition = (type: string, status: Condition['status'], reason = 'Sound'): Condition => ({
  type,
  status,
  reason,
  message: `${type} is ${status}`,
  lastTransitionTime: '',
})

const node = (pod: string) => ({ [pod]: pod.padEnd(40, '0') })

const healthy: ClusterStatus = {
  state: 'Healthy',
  specHash: 'h1:a',
  formedAt,
  topology: [0, 1].map((shard) => ({
    shard,
    slots: shard === 0 ? '0-8191' : '8192-16383',
    primary: `orders-${shard}-0`,
    epoch: shard + 1,
    nodes: { ...node(`orders-${shard}-0`), ...node(`orders-${shard}-1`) },
    attached: [`orders-${shard}-1`],
  })),
  conditions: [condition('Ready', 'True', 'AllSlotsServed')],
}

const withShard = (status: ClusterStatus, number: number, change: Partial<ShardStatus>): ClusterStatus => ({
  ...status,
  topology: (status.topology ?? []).map((shard) => (shard.shard === number ? { ...shard, ...change } : shard)),
})

const types = (before: ClusterStatus | null, after: ClusterStatus, context: Partial<ChangeContext> = {}) =>
  changes(before, after, { now, ...context }).map((event) => event.type)

describe('changes', () => {
  it('tells nothing where nothing changed', () => {
    expect(
      types(healthy, {
        ...healthy,
        readyShards: 1,
        conditions: [condition('Ready', 'True', 'Other'), condition('Spread', 'False')],
      }),
    ).toEqual([])
  })

  it('tells an assisted failover from loss to healing', () => {
    const operation = { id: '1:18', type: 'FailOver', target: 'orders-1-1', since: new Date(now - 1_290).toISOString() }
    const lost: ClusterStatus = {
      ...withShard(healthy, 1, { primaryDown: true, attached: [] }),
      state: 'Healing',
      conditions: [condition('Ready', 'False', 'PrimaryDown')],
      operation,
    }
    expect(types(healthy, lost)).toEqual([
      'PrimaryLost',
      'ReplicaDetached',
      'StateChanged',
      'ConditionChanged',
      'OperationStarted',
    ])
    const { operation: _, ...rest } = healthy
    const topology = (lost.topology ?? []).map(({ primaryDown: _down, ...shard }) =>
      shard.shard === 1 ? { ...shard, primary: 'orders-1-1', epoch: 9 } : shard,
    )
    const events = changes(
      lost,
      { ...rest, topology },
      { now, primaryChanges: { 1: { cause: 'Assisted', opId: '1:18' } } },
    )
    expect(events.map((event) => event.type)).toEqual([
      'PrimaryChanged',
      'OperationFinished',
      'StateChanged',
      'ConditionChanged',
    ])
    expect(events[0]?.data).toMatchObject({
      from: { pod: 'orders-1-0' },
      to: { pod: 'orders-1-1' },
      cause: 'Assisted',
      configEpoch: 9,
      opId: '1:18',
      writesAtRisk: true,
    })
    expect(events[1]?.data).toMatchObject({ opId: '1:18', durationMs: 1290 })
  })

  it('tells a formation in its order, once', () => {
    const empty: ClusterStatus = { state: 'Slotting', specHash: 'h1:a' }
    const formed = { ...healthy, topology: (healthy.topology ?? []).map(({ attached: _, ...shard }) => shard) }
    expect(types(null, empty)).toEqual(['Accepted'])
    expect(types(empty, formed)).toEqual([
      ...Array.from({ length: 4 }, () => 'MemberJoined'),
      'SlotsAssigned',
      'SlotsAssigned',
      'ClusterFormed',
      'StateChanged',
      'ConditionChanged',
    ])
    expect(types(formed, healthy)).toEqual(['ReplicaAttached', 'ReplicaAttached'])
  })

  it('marks what was found at adoption', () => {
    const events = changes(null, healthy, { now, adopted: 'StatusMissing' })
    expect(events[0]).toMatchObject({ type: 'Adopted', data: { why: 'StatusMissing', shards: 2, formedAt } })
    const members = events.filter((event) => event.type === 'MemberJoined' || event.type === 'SlotsAssigned')
    expect(members).toHaveLength(6)
    expect(members.every((event) => event.data.adopted)).toBe(true)
    expect(events.map((event) => event.type)).not.toContain('ClusterFormed')
  })

  it('tells that the data is replaced before it tells of new members, and of none of before that it left', () => {
    const restored = { name: 'monday', uid: 'its-uid', since: '2026-11-21T10:00:00Z' }
    const begun: ClusterStatus = { ...healthy, state: 'Restoring', topology: [], restored }
    expect(types(healthy, begun)).toEqual(['RestoreBegun', 'StateChanged'])
    const whole = { ...healthy, restored: { ...restored, formedAt: '2026-11-21T10:40:00Z' } }
    const told = types(begun, whole)
    expect(told.filter((type) => type === 'MemberJoined')).toHaveLength(4)
    expect(told.slice(-4)).toEqual(['Restored', 'ReplicaAttached', 'ReplicaAttached', 'StateChanged'])
    expect(types(whole, { ...whole })).toEqual([])
    expect(types(begun, { ...healthy, state: 'Healing' }).slice(0, 1)).toEqual(['RestoreWithdrawn'])
  })

  it('tells slots without an owner, and their return', () => {
    const lost = withShard(healthy, 1, { slots: '8192-10000' })
    expect(changes(healthy, lost, { now })).toMatchObject([
      { type: 'SlotsUncovered', data: { shard: 1, ranges: ['10001-16383'], count: 6383 } },
    ])
    expect(types(lost, healthy)).toEqual(['SlotsCovered'])
  })

  it('tells slots that were left half moved, and that they are whole', () => {
    const left = changes(healthy, { ...healthy, openSlots: '93-94' }, { now })
    expect(left).toMatchObject([
      { type: 'SlotsLeftOpen', data: { ranges: ['93-94'], count: 2, message: 'Slots 93-94 were left half moved' } },
    ])
    const one = changes({ ...healthy, openSlots: '93-94' }, { ...healthy, openSlots: '94' }, { now, movedKeys: 7 })
    expect(one).toMatchObject([
      {
        type: 'SlotsRepaired',
        data: { ranges: ['93'], keys: 7, message: 'Slot 93 is whole again, 7 keys were moved' },
      },
    ])
    const many = Array.from({ length: 10 }, (_, index) => index * 2).join(',')
    expect(types({ ...healthy, openSlots: many }, healthy)).toEqual(['SlotsRepaired', 'SlotsRepaired'])
  })

  it('tells deletion and its end', () => {
    const deleting = { ...healthy, state: 'Deleting' }
    expect(types(healthy, deleting)).toEqual(['StateChanged', 'DeletionStarted'])
    expect(types(deleting, { ...deleting, deleted: true }, { retain: false })).toEqual(['Deleted'])
  })

  it('tells a primary that came back under its name with another node id', () => {
    const back = withShard(healthy, 1, { nodes: { ...node('orders-1-1'), 'orders-1-0': 'f'.repeat(40) } })
    const events = changes(healthy, back, { now })
    expect(events.map((event) => event.type)).toEqual(['MemberLeft', 'MemberJoined'])
    expect(events[1]?.data).toMatchObject({ role: 'primary' })
  })

  it('names an operation after the sequence of its start', () => {
    const begun = {
      ...healthy,
      state: 'Healing',
      operation: { id: '', type: 'FailOver', target: 'orders-1-1', since: '' },
    }
    const named = withOperationId(healthy, begun, { now }, { life: 17, seq: 40 })
    const index = changes(healthy, named, { now }).findIndex((event) => event.type === 'OperationStarted')
    expect(named.operation?.id).toBe(`17:${40 + index + 1}`)
    expect(withOperationId(named, named, { now }, { life: 17, seq: 42 })).toBe(named)
  })
})

const podName = fc.integer({ min: 0, max: 3 })
const shardStatus = (shard: number): fc.Arbitrary<Omit<ShardStatus, 'slots'>> =>
  fc
    .record({
      pods: fc.uniqueArray(podName, { maxLength: 4 }),
      ids: fc.array(fc.constantFrom('a', 'b'), { minLength: 4, maxLength: 4 }),
      containers: fc.array(fc.constantFrom('c', 'd'), { minLength: 4, maxLength: 4 }),
      addresses: fc.array(fc.constantFrom('10.0.0.1', '10.0.0.2'), { minLength: 4, maxLength: 4 }),
      attached: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      primary: fc.nat(),
      down: fc.boolean(),
      epoch: fc.nat(9),
    })
    .map(({ pods, ids, containers, addresses, attached, primary, down, epoch }) => {
      const name = (pod: number) => `orders-${shard}-${pod}`
      const record = (values: readonly string[]) =>
        Object.fromEntries(pods.map((pod) => [name(pod), values[pod] ?? '']))
      const chosen = pods[primary % Math.max(1, pods.length)]
      const upPods = pods.filter((pod) => pod !== chosen && attached[pod]).map(name)
      return {
        shard,
        epoch,
        nodes: record(ids),
        incarnations: record(containers),
        addresses: record(addresses),
        attached: upPods,
        ...(chosen === undefined ? {} : { primary: name(chosen) }),
        ...(chosen !== undefined && down ? { primaryDown: true } : {}),
      }
    })

/** Each of 60 blocks of slots belongs to a shard or to none, so that no slot has two owners. */
const owners = fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 60, maxLength: 60 })
const rangesOf = (blocks: readonly number[], shard: number): readonly SlotRange[] =>
  blocks.flatMap((owner, block): SlotRange[] => (owner === shard ? [[block * 273, block * 273 + 272]] : []))

const arbitraryStatus: fc.Arbitrary<ClusterStatus> = fc
  .record({
    state: fc.constantFrom('Creating', 'Healthy', 'Healing', 'Deleting'),
    specHash: fc.constantFrom('h1:a', 'h1:b'),
    formed: fc.boolean(),
    deleted: fc.boolean(),
    owners,
    present: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    shards: fc.tuple(shardStatus(0), shardStatus(1), shardStatus(2)),
    conditions: fc.array(
      fc.tuple(fc.constantFrom('Ready', 'Degraded', 'Stalled', 'Spread'), fc.constantFrom('True', 'False', 'Unknown')),
      { maxLength: 4 },
    ),
    operation: fc.option(fc.constantFrom('FailOver', 'ForgetNode')),
    openSlots: fc.constantFrom('', '93', '92-94,97', '1,3,5,7,9,11,13,15,17,19'),
    restored: fc.option(
      fc.record(
        {
          name: fc.constantFrom('monday', 'x'.repeat(253)),
          uid: fc.constantFrom('a', 'b'),
          since: fc.constantFrom('2026-11-21T10:00:00Z', '2026-11-21T10:30:00Z'),
          formedAt: fc.constant('2026-11-21T10:40:00Z'),
        },
        { requiredKeys: ['name', 'uid', 'since'] },
      ),
    ),
    override: fc.option(
      fc.record({
        value: fc.constant(''),
        shards: fc.subarray([0, 1, 2]),
        until: fc.constantFrom('2026-11-21T10:00:00Z', '2026-11-21T10:30:00Z'),
      }),
    ),
    claimedVolumes: fc.option(
      fc.record({ uid: fc.constantFrom('a', 'b'), how: fc.constantFrom('Adopted', 'Discarded') }),
    ),
  })
  .map((drawn) => ({
    state: drawn.state,
    specHash: drawn.specHash,
    ...(drawn.formed ? { formedAt } : {}),
    ...(drawn.deleted ? { deleted: true } : {}),
    ...(drawn.restored === null ? {} : { restored: drawn.restored }),
    ...(drawn.operation === null
      ? {}
      : { operation: { id: `1:${drawn.operation}`, type: drawn.operation, target: 'x', since: formedAt } }),
    ...(drawn.openSlots === '' ? {} : { openSlots: drawn.openSlots }),
    ...(drawn.override === null ? {} : { override: drawn.override }),
    ...(drawn.claimedVolumes === null ? {} : { claimedVolumes: drawn.claimedVolumes }),
    topology: drawn.shards
      .filter((_, index) => drawn.present[index])
      .map((shard) => ({ ...shard, slots: formatSlots(rangesOf(drawn.owners, shard.shard)) })),
    conditions: [...new Map(drawn.conditions).entries()].map(([type, status]) =>
      condition(type, status as Condition['status']),
    ),
  }))

const context = fc.record(
  {
    now: fc.constant(now),
    finding: fc.record({
      type: fc.string(),
      about: fc.string({ maxLength: 400 }),
      message: fc.string({ unit: 'grapheme', maxLength: 900 }),
    }),
    evidence: fc.constant({ 'orders-0-0': ['x'.repeat(900), 'y'.repeat(900), 'z', 'more'] }),
    specPaths: fc.array(fc.string({ maxLength: 300 }), { maxLength: 30 }),
  },
  { requiredKeys: ['now'] },
)

/** What is set once stays: so says the API server, and so do the rules of ClusterStatus. */
const following = (before: ClusterStatus, after: ClusterStatus): ClusterStatus => ({
  ...(before.claimedVolumes === undefined ? {} : { claimedVolumes: before.claimedVolumes }),
  ...after,
  ...(before.formedAt === undefined ? {} : { formedAt: before.formedAt }),
  ...(before.deleted ? { deleted: true } : {}),
  ...restoredAfter(before.restored, after.restored),
})

/** Records that were whole are of some restore for ever; that they were is not taken back. */
const restoredAfter = (
  before: ClusterStatus['restored'],
  drawn: ClusterStatus['restored'],
): Pick<ClusterStatus, 'restored'> => {
  const after = before?.formedAt === undefined ? drawn : (drawn ?? before)
  if (after === undefined) return {}
  const isSame = before?.uid === after.uid && before.name === after.name && before.since === after.since
  return { restored: isSame && before?.formedAt !== undefined ? before : after }
}

describe('fold', () => {
  it('reaches any status from any other', () => {
    fc.assert(
      fc.property(arbitraryStatus, arbitraryStatus, context, (before, drawn, given) => {
        const after = following(before, drawn)
        const events = changes(before, after, given)
        expect(told(fold(before, events))).toEqual(told(after))
        expect(changes(fold(before, events), after, given)).toEqual([])
      }),
      { numRuns: 2_000 },
    )
  })

  it('reaches any status from none, accepted or adopted', () => {
    const why = fc.constantFrom(undefined, 'StatusMissing' as const, 'ObjectRecreated' as const)
    fc.assert(
      fc.property(arbitraryStatus, why, (after, adopted) => {
        const events = changes(null, after, { now, ...(adopted ? { adopted } : {}) })
        expect(told(fold(null, events))).toEqual(told(after))
      }),
      { numRuns: 500 },
    )
  })

  it('is given events that fit their schemas and 640 bytes', () => {
    fc.assert(
      fc.property(arbitraryStatus, arbitraryStatus, context, (before, drawn, given) => {
        for (const { type, data } of changes(before, following(before, drawn), given)) {
          expect(clusterEventData[type].parse(data)).toEqual(data)
          expect(new TextEncoder().encode(JSON.stringify(data)).length).toBeLessThanOrEqual(640)
        }
      }),
      { numRuns: 500 },
    )
  })
})
