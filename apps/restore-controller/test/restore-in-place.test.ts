import { volumeName } from '@slotkeeper/api'
import type { AgentReport } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'
import { persistentVolumeClaims, pods, redisClusters, redisRestores } from '@slotkeeper/k8s'
import { type PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { done, inspected, nodeOf, ready, RestoreStage, seeded, since } from './restore-stage.ts'

let stage: RestoreStage
let cluster: PlayedCluster

beforeAll(async () => {
  stage = await RestoreStage.start()
  cluster = stage.cluster
}, 120_000)

afterAll(() => cluster?.stop())

type Bootstrap = { readonly restore: { readonly name: string; readonly uid: string } }
const spec = { version: 'valkey-9.1', shards: 3, replicasPerShard: 0, storage: { size: '1Gi' } }
const statusOf = async (name: string) =>
  (await cluster.find(redisRestores, name))?.['status'] as RestoreStatus | undefined
const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }

/** Waits until a cluster is told to take what that restore has filled. */
const ordered = (name: string, restoreUid: string) =>
  until('the order', 60_000, async () => {
    const found = await cluster.find(redisClusters, name)
    return JSON.stringify(found?.['spec']).includes(restoreUid) ? found : undefined
  })

/** A cluster that serves, with its claims; gives its uid. */
async function serving(name: string): Promise<string> {
  const { metadata } = await cluster.create(redisClusters, name, spec)
  await cluster.tell(redisClusters, name, { formedAt: since, conditions: [{ ...ready, observedGeneration: 1 }] })
  for (const shard of [0, 1, 2])
    await cluster.create(persistentVolumeClaims, `data-${name}-${shard}-0`, claimSpec, {
      labels: { 'slotkeeper.dev/cluster': name },
    })
  return metadata.uid ?? ''
}

test('volumes are filled beside its own; with consent it is told to take them, and those of before go when all is seen', async () => {
  const uid = await serving('live')
  const claims = async (isThere: boolean): Promise<void> => {
    for (const shard of [0, 1, 2]) await stage.claimOf(`data-live-${shard}-0`, isThere)
  }
  // One of a name that is like it, and a pod that still reads what was there.
  await cluster.create(persistentVolumeClaims, 'data-0abc1234-live-0-0', claimSpec)
  const reads = { name: 'old', persistentVolumeClaim: { claimName: 'data-live-1-0' } }
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  await cluster.create(pods, 'reader', {
    volumes: [reads],
    containers: [{ name: 'reader', image: 'any', securityContext }],
  })
  const inPlace = { oldVolumes: 'Delete' }
  const restoreUid = await stage.restore('onto-live', { cluster: { name: 'live' }, inPlace })
  await cluster.end(await cluster.jobNamed('-inspect-1', 'onto-live-'), inspected)
  await cluster.sees(redisRestores, 'onto-live', 'Confirming')
  expect((await statusOf('onto-live'))?.message).toContain(`spec.target.inPlace.confirm to ${uid}`)
  await cluster.restart()
  expect((await cluster.find(redisClusters, 'live'))?.['spec']).not.toHaveProperty('bootstrap')
  const confirmed = { target: { inPlace: { confirm: uid } } }
  await cluster.change(redisRestores, 'onto-live', confirmed)
  await expect(
    cluster.change(redisRestores, 'onto-live', { target: { inPlace: { confirm: 'other' } } }),
  ).rejects.toThrow(/a restore never changes/)

  const volume = volumeName({ uid: restoreUid, inPlace: true })
  for (const shard of [0, 1, 2]) {
    const job = await cluster.jobNamed(`-seed-${shard}-1`, 'onto-live-')
    expect(await stage.claimOf(`${volume}-live-${shard}-0`, true)).toBe(restoreUid)
    expect(JSON.stringify(job)).toContain(`${volume}-live-${shard}-0`)
    expect((await cluster.find(redisClusters, 'live'))?.['spec']).not.toHaveProperty('bootstrap')
    await cluster.end(job, seeded(shard))
  }
  await cluster.sees(redisRestores, 'onto-live', 'Starting')
  await cluster.restart()
  const told = await ordered('live', restoreUid)
  expect(told?.metadata.uid).toBe(uid)
  expect(told?.['spec']).toMatchObject({
    ...spec,
    bootstrap: { restore: { name: 'onto-live', uid: restoreUid, inPlace: true } },
  })
  // Ready with what it had before: that is not what is waited for.
  const isReady = [{ ...ready, observedGeneration: told?.metadata.generation ?? 0 }]
  const topology = [0, 1, 2].map((shard) => {
    const pod = `live-${shard}-0`
    return { shard, slots: '', nodes: { [pod]: nodeOf(shard) }, addresses: { [pod]: `10.0.${shard}.1` } }
  })
  await cluster.tell(redisClusters, 'live', { topology, conditions: isReady })
  await cluster.restart()
  await until('its words', 60_000, async () =>
    (await statusOf('onto-live'))?.reason === 'ClusterNotReady' ? true : undefined,
  )
  await claims(true)
  const restored = { name: 'onto-live', uid: restoreUid, since, formedAt: since }
  await cluster.tell(redisClusters, 'live', { restored })
  await cluster.end(
    await cluster.jobNamed('-verify-1', 'onto-live-'),
    done({ task: 'VerifyRestore', keys: 30, expired: 0 }),
  )
  await cluster.sees(redisRestores, 'onto-live', 'Completed')
  for (const shard of [0, 2]) await stage.claimOf(`data-live-${shard}-0`, false)
  expect(await stage.claimOf('data-live-1-0', true)).toBe('nobody')
  await cluster.vanish(pods, 'reader')
  await cluster.restart()
  await claims(false)
  for (const shard of [0, 1, 2]) expect(await stage.claimOf(`${volume}-live-${shard}-0`, true)).toBe(restoreUid)
  expect(await stage.claimOf('data-0abc1234-live-0-0', true)).toBe('nobody')

  // Deleted, and applied again with the consent that its manifest holds.
  await cluster.remove(redisRestores, 'onto-live')
  await until('its end', 60_000, async () =>
    (await cluster.find(redisRestores, 'onto-live')) === null ? true : undefined,
  )
  await stage.restore('onto-live', { cluster: { name: 'live' }, inPlace: { confirm: uid } })
  expect(await cluster.sees(redisRestores, 'onto-live', 'Failed')).toMatchObject({ reason: 'ConfirmUsed' })
  expect(JSON.stringify((await cluster.find(redisClusters, 'live'))?.['spec'])).toContain(restoreUid)
})

test('of two that were created at once one is carried out, and the other names it; its order goes with it until it is followed', async () => {
  const confirm = await serving('wanted')
  const names = ['onto-wanted-a', 'onto-wanted-b']
  const target = { cluster: { name: 'wanted' }, inPlace: { confirm } }
  const uids = await Promise.all(names.map((name) => stage.restore(name, target)))
  const second = await until('one that does not go on', 60_000, async () => {
    const all = await Promise.all(names.map(statusOf))
    return names.find((_name, index) => all[index]?.reason === 'RestoreUnderWay')
  })
  const first = names.find((name) => name !== second) ?? ''
  expect((await statusOf(second))?.message).toContain(`RedisRestore ${first} `)
  await cluster.end(await cluster.jobNamed('-inspect-1', `${first}-`), inspected)
  for (const shard of [0, 1, 2])
    await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, `${first}-`), seeded(shard))
  await ordered('wanted', uids[names.indexOf(first)] ?? '')
  for (const name of [second, first]) await cluster.remove(redisRestores, name)
  await until('the end of the order', 60_000, async () => {
    const found = await cluster.find(redisClusters, 'wanted')
    return JSON.stringify(found?.['spec']).includes('"restore"') ? undefined : true
  })
  for (const shard of [0, 1, 2]) expect(await stage.claimOf(`data-wanted-${shard}-0`, true)).toBe('nobody')
})

test('an order over the data of another restore in place names that, and is taken back to it; one that is followed stays', async () => {
  const confirm = await serving('twice')
  const order = (name: string) => ({ restore: { name, uid: `uid-of-${name}`, inPlace: true } })
  await cluster.change(redisClusters, 'twice', { bootstrap: order('sunday') })
  const restored = { name: 'sunday', uid: 'uid-of-sunday', since, formedAt: since }
  await cluster.tell(redisClusters, 'twice', { restored })
  const bring = async (name: string): Promise<string> => {
    const uid = await stage.restore(name, { cluster: { name: 'twice' }, inPlace: { confirm } })
    await cluster.end(await cluster.jobNamed('-inspect-1', `${name}-`), inspected)
    for (const shard of [0, 1, 2])
      await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, `${name}-`), seeded(shard))
    expect((await ordered('twice', uid))?.['spec']).toMatchObject({
      bootstrap: { restore: { name, uid, former: { name: 'sunday', uid: 'uid-of-sunday' } } },
    })
    return uid
  }
  const bootstrapOf = async (): Promise<Bootstrap | undefined> => {
    const found = (await cluster.find(redisClusters, 'twice'))?.['spec'] as
      | { readonly bootstrap?: Bootstrap }
      | undefined
    return found?.bootstrap
  }

  await bring('held')
  await cluster.remove(redisRestores, 'held')
  await until('the end of the order', 60_000, async () =>
    (await bootstrapOf())?.restore.name === 'sunday' ? true : undefined,
  )
  expect(await bootstrapOf()).toEqual(order('sunday'))

  const uid = await bring('followed')
  await cluster.tell(redisClusters, 'twice', { restored: { name: 'followed', uid, since, formedAt: null } })
  await cluster.sees(redisRestores, 'followed', 'Starting')
  await cluster.remove(redisRestores, 'followed')
  await until('the end of the restore', 60_000, async () =>
    (await cluster.find(redisRestores, 'followed')) === null ? true : undefined,
  )
  expect((await bootstrapOf())?.restore.uid).toBe(uid)
})

test('an order that was never followed is not what the cluster had: with its successor both are gone', async () => {
  const confirm = await serving('told')
  await cluster.change(redisClusters, 'told', {
    bootstrap: { restore: { name: 'first', uid: 'of-first', inPlace: true } },
  })
  const uid = await stage.restore('second', { cluster: { name: 'told' }, inPlace: { confirm } })
  await cluster.end(await cluster.jobNamed('-inspect-1', 'second-'), inspected)
  for (const shard of [0, 1, 2]) await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, 'second-'), seeded(shard))
  const now = await ordered('told', uid)
  expect(now?.['spec']).toMatchObject({ bootstrap: { restore: { name: 'second', uid, inPlace: true } } })
  expect(JSON.stringify(now)).not.toContain('of-first')
  expect(now?.metadata.annotations).toMatchObject({ 'slotkeeper.dev/restore-ordered-by': uid })
  expect((await statusOf('second'))?.replaces).toMatchObject({ volume: 'data', restoredBy: 'of-first' })
  await cluster.remove(redisRestores, 'second')
  await until('the end of the order', 60_000, async () => {
    const found = await cluster.find(redisClusters, 'told')
    return JSON.stringify(found?.['spec']).includes('"restore"') ? undefined : true
  })
})

test('what fails before the cluster is told deletes what was filled, and nothing of the cluster', async () => {
  const confirm = await serving('kept')
  const uid = await stage.restore('onto-kept', { cluster: { name: 'kept' }, inPlace: { confirm } })
  const volume = volumeName({ uid, inPlace: true })
  await cluster.end(await cluster.jobNamed('-inspect-1', 'onto-kept-'), inspected)
  await stage.claimOf(`${volume}-kept-0-0`, true)
  const failed: AgentReport = { result: 'Failed', fault: 'ObjectDamaged', message: 'it is not what was stored' }
  for (const shard of [0, 1, 2]) await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, 'onto-kept-'), failed)
  await cluster.sees(redisRestores, 'onto-kept', 'Failed')
  for (const shard of [0, 1, 2]) {
    await stage.claimOf(`${volume}-kept-${shard}-0`, false)
    expect(await stage.claimOf(`data-kept-${shard}-0`, true)).toBe('nobody')
  }
  expect((await cluster.find(redisClusters, 'kept'))?.['spec']).not.toHaveProperty('bootstrap')
})
