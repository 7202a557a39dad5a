import { FINALIZER, redisClusterSpec } from '@slotkeeper/api'
import type { Failure, StatusOf } from '@slotkeeper/controller'
import type { ClusterStatus } from '@slotkeeper/events'
import { describe, expect, test } from 'vitest'
import type { ClusterObject } from './cluster-object.ts'
import { decide } from './decide.ts'
import type { Observed } from './observe.ts'

const now = Date.parse('2026-01-01T00:10:00Z')
const settings = { podUid: 999, nodeLossMs: 300_000, eventTrouble: () => null }
const formed: StatusOf<ClusterStatus> = {
  state: 'Healthy',
  formedAt: '2026-01-01T00:00:00Z',
  lifecycle: { life: 1, seq: 3, published: 3, epoch: 1, holder: 'a' },
  outbox: [],
}

const finalizers = { finalizers: [FINALIZER] }
const cluster = (status: ClusterObject['status'], spec: object = {}, metadata: object = {}): ClusterObject => ({
  metadata: {
    namespace: 'shop',
    name: 'orders',
    uid: 'ours',
    resourceVersion: '1',
    generation: 1,
    ...finalizers,
    ...metadata,
  },
  spec: redisClusterSpec.parse({ version: 'valkey-9.1', shards: 3, ...spec }),
  status,
})

const members = Array.from({ length: 6 }, (_, place) => ({
  pod: `orders-${Math.floor(place / 2)}-${place % 2}`,
  shard: Math.floor(place / 2),
  index: place % 2,
  kube: null,
  contact: { type: 'absent' as const },
}))
const nothing: Observed = { snapshot: { members, inboundLinks: {} }, owned: {}, behind: [] }
const failure = (reason: string): Failure => ({
  command: { type: 'ApplyObject' },
  reason,
  message: 'in words',
  count: 1,
  since: now,
})

const decided = (object: ClusterObject, observed: Partial<Observed> = {}, failures: readonly Failure[] = []) => {
  const decision = decide({ object, observed: { ...nothing, ...observed }, now, failures }, settings)
  const stalled = decision.status.conditions?.find((one) => one.type === 'Stalled')
  const applied = decision.commands.flatMap((one) => (one.type === 'ApplyObject' ? [`${one.kind}/${one.name}`] : []))
  return { ...decision, applied, why: stalled?.reason, words: stalled?.message ?? '' }
}

describe('a cluster of a restore', () => {
  const restored = { storage: { size: '1Gi' }, bootstrap: { restore: { name: 'monday', uid: 'its-uid' } } }

  test('while its pods start it is being restored: nobody is called, nothing counts as lost', () => {
    const first = decided(cluster(null, restored))
    expect(first.events[0]?.type).toBe('Accepted')
    expect(first.status).toMatchObject({ state: 'Restoring' })
    expect(first.status.formedAt).toBeUndefined()
    const late = [
      { type: 'Ready', status: 'False', reason: 'Restoring', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ]
    const later = decided(
      cluster({ ...formed, formedAt: undefined, state: 'Restoring', conditions: late } as never, restored),
    )
    expect(later.status.state).toBe('Restoring')
    const said = Object.fromEntries(
      (later.status.conditions ?? []).map((one) => [one.type, `${one.status} ${one.reason}`]),
    )
    expect(said).toMatchObject({ Ready: 'False Restoring', Reconciling: 'True Restoring', Degraded: 'False Sound' })
    expect(said).not.toHaveProperty('Stalled')
  })

  test('its pods are told whose volumes they may take over, those of others are as they were', () => {
    const envOf = (spec: object): string => {
      const applied = decided(cluster(null, { storage: { size: '1Gi' }, ...spec })).commands
      return JSON.stringify(applied.find((one) => one.type === 'ApplyObject' && one.kind === 'StatefulSet'))
    }
    expect(envOf(restored)).toContain('{"name":"SLOTKEEPER_RESTORE_UID","value":"its-uid"}')
    expect(envOf({})).not.toContain('RESTORE')
  })

  test('its Secrets are made until it was whole, and never after', () => {
    const missing = { secret: 'orders-auth', message: 'Secret orders-auth does not exist' }
    const before = decided(cluster(null, restored), { secretMissing: missing })
    expect(before.applied).toContain('Secret/orders-auth')
    expect(before.why).toBeUndefined()
    const after = decided(cluster(formed, restored), { secretMissing: missing })
    expect(after.applied).not.toContain('Secret/orders-auth')
    expect(after.why).toBe('SecretMissing')
  })
})

describe('a cluster over the volumes that another one left', () => {
  const words = 'this volume holds data of the cluster with uid their-uid; nothing was touched'
  const refusing = (message: string, podHash = 'of before'): Observed => {
    const blocked = { reason: 'VolumeHasOtherData', message }
    const pod = { deleting: false, ready: false, running: false, terminated: [], restarts: 1, blocked, podHash }
    const stuck = members.map((one) => ({ ...one, kube: { ...pod, uid: `uid of ${one.pod}` } }))
    return { ...nothing, snapshot: { members: stuck, inboundLinks: {} } }
  }
  const storage = { size: '1Gi' }
  const over = (how: string, uid = 'their-uid') => ({ storage, bootstrap: { [how]: { uid } } })

  test('it says whose they are, and with what words they are taken over or given up', () => {
    const waiting = decided(cluster(null, { storage }), refusing(words))
    expect(waiting.why).toBe('VolumeHasOtherData')
    expect(waiting.words).toBe(
      `orders-0-0: ${words}; to serve that data: set spec: {bootstrap: {adoptVolumes: {uid: their-uid}}}; to lose it: discardVolumes instead of adoptVolumes; or give the cluster another name`,
    )
    expect(waiting.status.claimedVolumes).toBeUndefined()
  })

  test.each([
    [
      'another is named',
      over('adoptVolumes', 'x'),
      words,
      /adoptVolumes names another, x: delete this cluster, whose vol/,
    ],
    ['another is given up', over('discardVolumes', 'x'), words, /discardVolumes names another, x: delete this cluster/],
    ['the guard says itself what to do', over('adoptVolumes'), 'delete this cluster and create it', /create it$/],
    [
      'nobody claims them',
      { storage },
      'this volume holds data that no marker claims',
      /delete the claim data-orders-0-0/,
    ],
  ])('where %s, it says what is left to do', (_what, spec, message, expected) => {
    expect(decided(cluster(null, spec), refusing(message)).words).toMatch(expected)
  })

  test.each([
    ['adoptVolumes', 'Adopted', 'Restoring', 'Adopting'],
    ['discardVolumes', 'Discarded', 'Creating', 'Forming'],
  ])('%s: told before anything follows from it; pods that were refused are made anew', (field, how, state, reason) => {
    const first = decided(
      cluster({ ...formed, formedAt: undefined, state: 'Creating' } as never, over(field)),
      refusing(words),
    )
    expect(first.status).toMatchObject({ state, claimedVolumes: { uid: 'their-uid', how } })
    expect(first.events.map((one) => one.type)).toContain('VolumesClaimed')
    expect(first.status.conditions?.find((one) => one.type === 'Ready')).toMatchObject({ status: 'False', reason })
    const sets = first.commands.filter((one) => one.type === 'ApplyObject' && one.kind === 'StatefulSet')
    expect(JSON.stringify(sets)).toContain(`_UID","value":"their-uid"}`)
    expect(JSON.stringify(sets).includes('SLOTKEEPER_SHARDS')).toBe(how === 'Adopted')
    // Not before their StatefulSets have the new words.
    expect(first.commands.some((one) => one.type === 'DeleteObject')).toBe(false)
    const written = Object.fromEntries(
      first.commands.flatMap((one) => {
        if (one.type !== 'ApplyObject' || one.object === undefined) return []
        const specHash = (one.object.metadata['annotations'] as Record<string, string>)['slotkeeper.dev/spec-hash']
        const view = {
          kind: one.kind,
          namespace: 'shop',
          name: one.name,
          uid: 's',
          cluster: 'orders',
          ownerUid: 'ours',
        }
        return [[`${one.kind}/${one.name}`, { ...view, ...(specHash === undefined ? {} : { specHash }) }]]
      }),
    )
    const then = decided(cluster({ ...first.status, ...formed, formedAt: undefined, state } as never, over(field)), {
      ...refusing(words),
      owned: written,
    })
    expect(then.commands.filter((one) => one.type === 'DeleteObject')).toHaveLength(6)
  })

  test('a pod that runs need not start again for it', () => {
    const upToDate = (spec: object, made: object) => {
      const { podHash = '' } = templateOf(made)
      const kube = { uid: 'u', deleting: false, ready: true, running: true, terminated: [], restarts: 0, podHash }
      const snapshot = { members: members.map((one) => ({ ...one, kube })), inboundLinks: {} }
      const { conditions = [] } = decided(cluster(null, { storage, ...spec }), { snapshot }).status
      return conditions.find((one) => one.type === 'PodsUpToDate')?.status
    }
    const templateOf = (spec: object): { readonly podHash?: string } => {
      const { commands } = decided(cluster(null, { storage, ...spec }))
      const set = commands.find((one) => one.type === 'ApplyObject' && one.kind === 'StatefulSet')
      const [, podHash] = /"slotkeeper.dev\/pod-hash":"([^"]+)"/.exec(JSON.stringify(set)) ?? []
      return podHash === undefined ? {} : { podHash }
    }
    expect(upToDate(over('adoptVolumes'), {})).toBe('True')
    expect(upToDate(over('adoptVolumes'), over('adoptVolumes'))).toBe('True')
    expect(upToDate(over('adoptVolumes'), { imagePullPolicy: 'Always' })).toBe('False')
  })
})

describe('a new cluster', () => {
  test('everything it needs is applied, and it is accepted', () => {
    const first = decided(cluster(null, {}, { finalizers: [] }))
    expect(first.commands[0]?.type).toBe('EnsureFinalizer')
    expect(first.applied).toEqual(
      expect.arrayContaining([
        'StatefulSet/orders-0',
        'StatefulSet/orders-2',
        'Service/orders-nodes',
        'ConfigMap/orders-config',
      ]),
    )
    expect(first.status.state).toBe('Creating')
    expect(first.events[0]?.type).toBe('Accepted')
  })

  test('what was written and is not yet in the cache is not written again', () => {
    const all = decided(cluster(null)).applied
    expect(decided(cluster(null), { behind: ['StatefulSet/orders-0'] }).applied).toEqual(
      all.filter((one) => one !== 'StatefulSet/orders-0'),
    )
  })

  test('a Secret of its own is made; one that was asked for is waited for', () => {
    const missing = { secret: 'orders-auth', message: 'Secret orders-auth does not exist' }
    expect(decided(cluster(null), { secretMissing: missing }).applied).toContain('Secret/orders-auth')
    const asked = cluster(null, { auth: { secretName: 'orders-auth' } })
    const waiting = decided(asked, { secretMissing: missing })
    expect(waiting.applied).not.toContain('Secret/orders-auth')
    expect(waiting.why).toBe('SecretMissing')
    expect(waiting.words).toContain('create it with the key password')
  })
})

test('a disruption budget of another mode is deleted before the new one is made; that of somebody else is not', () => {
  const budget = { kind: 'PodDisruptionBudget', namespace: 'shop', uid: 'b', cluster: 'orders', ownerUid: 'ours' }
  const owned = {
    'PodDisruptionBudget/orders-0': { ...budget, name: 'orders-0' },
    'PodDisruptionBudget/theirs': { ...budget, name: 'theirs', ownerUid: 'theirs' },
  }
  const { commands } = decided(cluster(null, { podDisruptionBudget: { mode: 'Cluster' } }), { owned })
  const told = commands.flatMap((one) =>
    'kind' in one && one.kind === 'PodDisruptionBudget' ? [[one.type, one.name]] : [],
  )
  expect(told).toEqual([
    ['DeleteObject', 'orders-0'],
    ['ApplyObject', 'orders'],
  ])
})

describe('what only a person can end', () => {
  test('an object of our name that is not ours is named and left alone', () => {
    const theirs = {
      kind: 'Service',
      namespace: 'shop',
      name: 'orders',
      uid: 's',
      cluster: 'orders',
      ownerUid: 'theirs',
    }
    const decision = decided(cluster(null), { owned: { 'Service/orders': theirs } })
    expect(decision.why).toBe('NameTaken')
    expect(decision.words).toContain('Service orders')
    expect(decision.applied).not.toContain('Service/orders')
    expect(decision.applied).toContain('StatefulSet/orders-0')
  })

  test.each(['NameTaken', 'ConfigRefused'])('a command that failed with %s goes on being tried', (reason) => {
    const decision = decided(cluster(null), {}, [failure(reason)])
    expect(decision.why).toBe(reason)
    expect(decision.commands.length).toBeGreaterThan(0)
  })

  test('after a decision that broke a law of ours nothing is done', () => {
    const decision = decided(cluster(formed), {}, [failure('InvariantBroken')])
    expect(decision.why).toBe('InvariantBroken')
    expect(decision.commands).toEqual([])
  })

  test('other failures are no conditions, unless the API server goes on refusing', () => {
    expect(decided(cluster(formed), {}, [failure('Timeout')]).why).toBeUndefined()
    expect(decided(cluster(formed), {}, [failure('Forbidden')]).why).toBeUndefined()
    expect(decided(cluster(formed), {}, [{ ...failure('Forbidden'), count: 4 }]).why).toBe('ConfigRefused')
  })

  test('the Secret of a cluster that has formed is never made anew', () => {
    const decision = decided(cluster(formed), { secretMissing: { secret: 'orders-internal', message: 'is gone' } })
    expect(decision.why).toBe('SecretMissing')
    expect(decision.applied).not.toContain('Secret/orders-internal')
    expect(decision.words).toContain('backup')
  })
})

test('every shard without a primary is named, in Ready and in Degraded', () => {
  const { conditions = [] } = decided(cluster(formed)).status
  for (const type of ['Ready', 'Degraded'])
    expect(conditions.find((one) => one.type === type)?.message).toBe(
      'no primary answers for shard 0, shard 1, shard 2',
    )
})

test('an operation that has become pointless is given up at once, and says why', () => {
  const operation = { id: '1:2', type: 'FailOver', target: 'orders-0-1', since: new Date(now).toISOString() }
  const decision = decided(cluster({ ...formed, operation }))
  expect(decision.status.operation).toBeUndefined()
  expect(decision.events).toContainEqual(
    expect.objectContaining({
      type: 'OperationAbandoned',
      data: expect.objectContaining({ reason: 'what called for it is over' }),
    }),
  )
})

test('a paused cluster is looked at and told, and nothing is done', () => {
  const decision = decided(cluster(formed, { paused: true }))
  expect(decision.commands).toEqual([])
  expect(decision.status.conditions?.find((one) => one.type === 'Ready')?.status).toBe('False')
})

describe('deletion', () => {
  const leaving = (status: ClusterObject['status'], at: string): ClusterObject =>
    cluster(status, {}, { deletionTimestamp: at })
  const types = (object: ClusterObject): readonly string[] => decided(object).commands.map((one) => one.type)
  const entry = { seq: 4, time: '', epoch: 1, generation: 1, type: 'Deleted', data: {} }
  const told = { ...formed, state: 'Deleting', deleted: true }

  test('it is told before the finalizer goes', () => {
    const first = decided(leaving(formed, '2026-01-01T00:09:59Z'))
    expect(first.events.map((one) => one.type)).toContain('DeletionStarted')
    expect(first.commands).toEqual([])
    expect(types(leaving(told, '2026-01-01T00:09:59Z'))).toEqual(['RemoveFinalizer'])
  })

  test('events that nobody takes are spilled after a moment; after 30 s they hold it up no longer', () => {
    const waiting = { ...told, outbox: [entry] }
    expect(types(leaving(waiting, '2026-01-01T00:09:59Z'))).toEqual([])
    expect(decided(leaving(waiting, '2026-01-01T00:09:50Z')).commands).toMatchObject([
      { type: 'RemoveFinalizer', anyway: false },
    ])
    expect(decided(leaving(waiting, '2026-01-01T00:09:00Z')).commands).toMatchObject([
      { type: 'RemoveFinalizer', anyway: true },
    ])
    // Not even what could not be committed, because the outbox is full and cannot be spilled.
    expect(types(leaving({ ...formed, outbox: [entry] }, '2026-01-01T00:09:00Z'))).toEqual(['RemoveFinalizer'])
  })
})
