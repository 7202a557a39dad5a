import { volumeName } from '@slotkeeper/api'
import type { AgentReport } from '@slotkeeper/backup'
import { run } from '@slotkeeper/controller-host'
import type { RestoreStatus } from '@slotkeeper/events'
import {
  persistentVolumeClaims,
  pods,
  redisBackups,
  redisBackupStorages,
  redisClusters,
  redisRestores,
} from '@slotkeeper/k8s'
import { PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../src/config.ts'
import { restoreApp } from '../src/restore-app.ts'

const manifest = 'shop/nightly/uid/manifest'
const since = '2026-11-22T10:00:00Z'
const template = { version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' }, pod: { nodeSelector: { disk: 'fast' } } }
let cluster: PlayedCluster

const done = (report: object): AgentReport => ({ result: 'Done', done: report as never })
const inspected = done({
  task: 'InspectBackup',
  sha256: 'b'.repeat(64),
  backup: { namespace: 'shop', name: 'nightly', uid: 'uid' },
  cluster: { namespace: 'shop', name: 'orders', uid: 'old' },
  engine: { engine: 'valkey', version: '9.1.2' },
  consistency: 'shard',
  beganAt: since,
  endedAt: since,
  shards: 3,
  bytes: 300,
  size: 900,
  keys: 30,
  expiring: 0,
  refusal: null,
  spec: { version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' } },
})
const nodeOf = (shard: number): string => `${shard}`.padStart(40, 'a')
const seeded = (shard: number): AgentReport =>
  done({ task: 'SeedShard', shard, nodeId: nodeOf(shard), keys: 10, expiring: 0, size: 300 })
const ready = { type: 'Ready', status: 'True', reason: 'Healthy', message: 'all is well', lastTransitionTime: since }

beforeAll(async () => {
  cluster = await PlayedCluster.start('slotkeeper-restore-controller', (env, lent) =>
    run(restoreApp, { ...lent, config: readConfig(env) }),
  )
  const encryption = { secretName: 'keys', currentKey: 'first' }
  await cluster.create(redisBackupStorages, 'archive', { s3: { bucket: 'backups' }, encryption })
  const checked = { checkedGeneration: 1, conditions: [{ ...ready, reason: 'Usable' }] }
  await cluster.tell(redisBackupStorages, 'archive', { state: 'Usable', ...checked })
  await cluster.create(redisBackups, 'nightly', { cluster: { name: 'orders' }, storageName: 'archive' })
  await cluster.tell(redisBackups, 'nightly', { state: 'Completed', endedAt: since, manifest })
}, 120_000)

afterAll(() => cluster?.stop())

const restore = (name: string, target: object): Promise<unknown> =>
  cluster.create(redisRestores, name, { source: { backup: { name: 'nightly' } }, target })

/** Waits until there is, or is no longer, a claim of that name; gives the uid of the restore that made it. */
const claimOf = (name: string, isThere: boolean): Promise<string> =>
  until(`the claim ${name}`, 60_000, async () => {
    const found = await cluster.find(persistentVolumeClaims, name)
    // What protects a claim that is in use is not played.
    if (found === null || found.metadata.deletionTimestamp !== undefined) return isThere ? undefined : ''
    return isThere ? (found.metadata.annotations?.['slotkeeper.dev/restored-by'] ?? 'nobody') : undefined
  })

test('a restore: volumes are filled as the pods will have them, then the cluster is made, then its servers are asked', async () => {
  await restore('back', { cluster: { name: 'again' }, template })
  const uid = (await cluster.find(redisRestores, 'back'))?.metadata.uid
  const inspection = await cluster.jobNamed('-inspect-1')
  expect(cluster.planOf(inspection)).toMatchObject({
    encryption: { keys: '/etc/slotkeeper/keys' },
    task: { type: 'InspectBackup', manifest, target: { engine: 'valkey', version: '9.1' } },
  })
  await cluster.end(inspection, inspected)
  for (const shard of [0, 1, 2]) {
    const job = await cluster.jobNamed(`-seed-${shard}-1`)
    expect(await claimOf(`data-again-${shard}-0`, true)).toBe(uid)
    const { task } = cluster.planOf(job)
    const facts = { restore: uid, sha256: 'b'.repeat(64), epoch: shard + 4, currentEpoch: 6, persistence: 'aof' }
    expect(task).toMatchObject({ type: 'SeedShard', volume: '/data', shard, ...facts })
    // Who writes is who will read, and where.
    expect(job.spec.template.spec).toMatchObject({
      securityContext: { runAsUser: 999, fsGroup: 999 },
      nodeSelector: { disk: 'fast' },
      volumes: expect.arrayContaining([
        { name: 'seeded', persistentVolumeClaim: { claimName: `data-again-${shard}-0` } },
      ]),
    })
    expect(await cluster.find(redisClusters, 'again')).toBeNull()
    if (shard === 1) await cluster.restart()
    await cluster.end(job, seeded(shard))
  }
  const made = await until('the cluster', 60_000, async () => (await cluster.find(redisClusters, 'again')) ?? undefined)
  expect(made['spec']).toMatchObject({ ...template, bootstrap: { restore: { name: 'back', uid } } })
  await cluster.sees(redisRestores, 'back', 'Starting')
  const topology = [0, 1, 2].map((shard) => {
    const pod = `again-${shard}-0`
    return { shard, slots: '', primary: pod, nodes: { [pod]: nodeOf(shard) }, addresses: { [pod]: `10.0.${shard}.1` } }
  })
  await cluster.tell(redisClusters, 'again', { topology, conditions: [{ ...ready, observedGeneration: 1 }] })
  const verification = await cluster.jobNamed('-verify-1')
  expect(cluster.planOf(verification).task).toMatchObject({
    type: 'VerifyRestore',
    username: 'slotkeeper-backup',
    shards: [0, 1, 2].map((shard) => ({
      shard,
      keys: 10,
      server: { pod: `again-${shard}-0`, host: `10.0.${shard}.1`, nodeId: nodeOf(shard) },
    })),
  })
  await cluster.end(verification, done({ task: 'VerifyRestore', keys: 29, expired: 1 }))
  expect(await cluster.sees(redisRestores, 'back', 'Completed')).toMatchObject({ loadedKeys: 29, expiredKeys: 1 })
  const told = (await cluster.told('restore', 'back')).filter((type) => type !== 'StateChanged')
  const shards = ['ShardSeeded', 'ShardSeeded', 'ShardSeeded']
  const after = ['ClusterCreated', 'SlotsFormed', 'Verified', 'Completed']
  expect(told).toEqual(['Accepted', 'Inspected', 'Seeding', ...shards, ...after])
  // The cluster is nobody's but its own from now on.
  await cluster.remove(redisRestores, 'back')
  await until('the end of the restore', 60_000, async () =>
    (await cluster.find(redisRestores, 'back')) === null ? true : undefined,
  )
  expect((await cluster.find(redisClusters, 'again'))?.metadata.ownerReferences).toBeUndefined()
  expect(await claimOf('data-again-0-0', true)).toBe(uid)
})

test('of a volume it is read as who has written it, and written for the group of the servers', async () => {
  await cluster.create(redisBackupStorages, 'disk', { filesystem: { claimName: 'nfs' } })
  const checked = { checkedGeneration: 1, conditions: [{ ...ready, reason: 'Usable' }] }
  await cluster.tell(redisBackupStorages, 'disk', { state: 'Usable', ...checked })
  const source = { stored: { storageName: 'disk', manifest } }
  await cluster.create(redisRestores, 'disk', { source, target: { cluster: { name: 'of-disk' }, template } })
  await cluster.end(await cluster.jobNamed('-inspect-1', 'disk-'), inspected)
  const { spec } = (await cluster.jobNamed('-seed-0-1', 'disk-')).spec.template
  expect(spec).toMatchObject({
    securityContext: { runAsUser: 65532, runAsGroup: 999, fsGroup: 999 },
    volumes: expect.arrayContaining([{ name: 'storage', persistentVolumeClaim: { claimName: 'nfs', readOnly: true } }]),
  })
  await cluster.remove(redisRestores, 'disk')
})

test('a running cluster: it is copied by a RedisBackup of the restore, waited for, and restored as it was sealed', async () => {
  const source = { cluster: { name: 'orders', storageName: 'archive', consistency: 'cluster' } }
  await cluster.create(redisRestores, 'clone', { source, target: { cluster: { name: 'twin' }, shards: 5 } })
  const { copy } = await until('its copy', 60_000, async () => {
    const status = (await cluster.find(redisRestores, 'clone'))?.['status'] as RestoreStatus | undefined
    return status?.copy === undefined ? undefined : { copy: status.copy }
  })
  const made = await cluster.find(redisBackups, copy.name)
  const uid = (await cluster.find(redisRestores, 'clone'))?.metadata.uid
  expect(made?.metadata).toMatchObject({
    uid: copy.uid,
    ownerReferences: [{ kind: 'RedisRestore', name: 'clone', uid, controller: true, blockOwnerDeletion: true }],
  })
  expect(made?.['spec']).toMatchObject({
    cluster: { name: 'orders' },
    storageName: 'archive',
    consistency: 'cluster',
    deadlineSeconds: 14_400,
  })
  await cluster.tell(redisBackups, copy.name, { state: 'Waiting', reason: 'SourceNotReady', message: 'orders heals' })
  await until('its words', 60_000, async () => {
    const status = (await cluster.find(redisRestores, 'clone'))?.['status'] as RestoreStatus | undefined
    return status?.reason === 'SourceNotReady' && status.message?.endsWith('orders heals') ? true : undefined
  })
  await cluster.restart()
  const sealed = { manifest: 'shop/copy/uid/manifest', manifestSha256: 'b'.repeat(64) }
  await cluster.tell(redisBackups, copy.name, {
    state: 'Completed',
    endedAt: since,
    reason: null,
    message: null,
    ...sealed,
  })
  const inspection = await cluster.jobNamed('-inspect-1', 'clone-')
  expect(cluster.planOf(inspection).task).toMatchObject({ type: 'InspectBackup', manifest: sealed.manifest })
  await cluster.end(inspection, inspected)
  // As it was, and with as many shards as were asked for.
  await cluster.jobNamed('-seed-4-1', 'clone-')
  expect(await cluster.sees(redisRestores, 'clone', 'Seeding')).toMatchObject({ sealedSha256: sealed.manifestSha256 })
  expect((await cluster.told('restore', 'clone')).filter((type) => type !== 'StateChanged').slice(0, 3)).toEqual([
    'Accepted',
    'CopyCreated',
    'Inspected',
  ])
  await cluster.remove(redisRestores, 'clone')
})

describe('into a cluster that is there', () => {
  const spec = { version: 'valkey-9.1', shards: 3, replicasPerShard: 0, storage: { size: '1Gi' } }
  const statusOf = async (name: string) =>
    (await cluster.find(redisRestores, name))?.['status'] as RestoreStatus | undefined
  const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }

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
      for (const shard of [0, 1, 2]) await claimOf(`data-live-${shard}-0`, isThere)
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
    await restore('onto-live', { cluster: { name: 'live' }, inPlace: { oldVolumes: 'Delete' } })
    const restoreUid = (await cluster.find(redisRestores, 'onto-live'))?.metadata.uid ?? ''
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
      expect(await claimOf(`${volume}-live-${shard}-0`, true)).toBe(restoreUid)
      expect(JSON.stringify(job)).toContain(`${volume}-live-${shard}-0`)
      expect((await cluster.find(redisClusters, 'live'))?.['spec']).not.toHaveProperty('bootstrap')
      await cluster.end(job, seeded(shard))
    }
    await cluster.sees(redisRestores, 'onto-live', 'Starting')
    await cluster.restart()
    const told = await until('the order', 60_000, async () => {
      const found = await cluster.find(redisClusters, 'live')
      return JSON.stringify(found?.['spec']).includes(restoreUid) ? found : undefined
    })
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
    for (const shard of [0, 2]) await claimOf(`data-live-${shard}-0`, false)
    expect(await claimOf('data-live-1-0', true)).toBe('nobody')
    await cluster.vanish(pods, 'reader')
    await cluster.restart()
    await claims(false)
    for (const shard of [0, 1, 2]) expect(await claimOf(`${volume}-live-${shard}-0`, true)).toBe(restoreUid)
    expect(await claimOf('data-0abc1234-live-0-0', true)).toBe('nobody')

    // Deleted, and applied again with the consent that its manifest holds.
    await cluster.remove(redisRestores, 'onto-live')
    await until('its end', 60_000, async () =>
      (await cluster.find(redisRestores, 'onto-live')) === null ? true : undefined,
    )
    await restore('onto-live', { cluster: { name: 'live' }, inPlace: { confirm: uid } })
    expect(await cluster.sees(redisRestores, 'onto-live', 'Failed')).toMatchObject({ reason: 'ConfirmUsed' })
    expect(JSON.stringify((await cluster.find(redisClusters, 'live'))?.['spec'])).toContain(restoreUid)
  })

  test('what fails before the cluster is told deletes what was filled, and nothing of the cluster', async () => {
    const confirm = await serving('kept')
    await restore('onto-kept', { cluster: { name: 'kept' }, inPlace: { confirm } })
    const uid = (await cluster.find(redisRestores, 'onto-kept'))?.metadata.uid ?? ''
    const volume = volumeName({ uid, inPlace: true })
    await cluster.end(await cluster.jobNamed('-inspect-1', 'onto-kept-'), inspected)
    await claimOf(`${volume}-kept-0-0`, true)
    const failed: AgentReport = { result: 'Failed', fault: 'ObjectDamaged', message: 'it is not what was stored' }
    for (const shard of [0, 1, 2]) await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, 'onto-kept-'), failed)
    await cluster.sees(redisRestores, 'onto-kept', 'Failed')
    for (const shard of [0, 1, 2]) {
      await claimOf(`${volume}-kept-${shard}-0`, false)
      expect(await claimOf(`data-kept-${shard}-0`, true)).toBe('nobody')
    }
    expect((await cluster.find(redisClusters, 'kept'))?.['spec']).not.toHaveProperty('bootstrap')
  })
})

describe('what is in the way', () => {
  test('a claim of somebody else: refused, and left alone', async () => {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
    await cluster.create(persistentVolumeClaims, 'data-taken-2-1', spec)
    await restore('onto', { cluster: { name: 'taken' }, template })
    expect(await cluster.sees(redisRestores, 'onto', 'Failed')).toMatchObject({ reason: 'VolumeInUse' })
    expect(await claimOf('data-taken-2-1', true)).toBe('nobody')
    expect(await cluster.told('restore', 'onto')).toContain('Refused')
  })

  test('what fails deletes the claims that it made, and only while there is no cluster', async () => {
    await restore('broken', { cluster: { name: 'broken' }, template })
    await cluster.end(await cluster.jobNamed('-inspect-1', 'broken-'), inspected)
    await claimOf('data-broken-0-0', true)
    const failed: AgentReport = { result: 'Failed', fault: 'ObjectDamaged', message: 'it is not what was stored' }
    for (const shard of [0, 1, 2]) await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, 'broken-'), failed)
    expect(await cluster.sees(redisRestores, 'broken', 'Failed')).toMatchObject({ reason: 'ObjectDamaged' })
    for (const shard of [0, 1, 2]) await claimOf(`data-broken-${shard}-0`, false)
    expect(await cluster.find(redisClusters, 'broken')).toBeNull()
  })
})

test.each([
  ['two sources', { backup: { name: 'x' }, stored: { storageName: 'y', manifest } }, {}, /exactly one of backup/],
  [
    'a backup and a cluster',
    { backup: { name: 'x' }, cluster: { name: 'x', storageName: 'y' } },
    {},
    /exactly one of backup .* and server/,
  ],
  [
    'a server, and no word of what the cluster is to be',
    { server: { address: 'old.example:6379', storageName: 'y' } },
    {},
    /spec\.target\.template: say what the cluster is to be/,
  ],
  [
    'a server without a port',
    { server: { address: 'old.example', storageName: 'y' } },
    { template },
    /spec\.source\.server\.address/,
  ],
  [
    'a cluster for itself',
    { cluster: { name: 'x', storageName: 'y' } },
    { inPlace: {} },
    /spec\.target\.cluster\.name: a cluster is not restored from itself/,
  ],
  ['a copy without a storage', { cluster: { name: 'x' } }, {}, /spec\.source\.cluster\.storageName/],
  ['no manifest', { stored: { storageName: 'y', manifest: 'shop/nightly' } }, {}, /spec\.source\.stored\.manifest/],
  ['a shard count twice', { backup: { name: 'x' } }, { shards: 5, template }, /spec\.target\.shards: with a template/],
  [
    'a cluster that is there, and another shape',
    { backup: { name: 'x' } },
    { inPlace: {}, shards: 5 },
    /spec\.target\.inPlace: leave shards and template out/,
  ],
  [
    'a bootstrap of its own',
    { backup: { name: 'x' } },
    { template: { ...template, bootstrap: { restore: { name: 'a', uid: 'b' } } } },
    /spec\.target\.template\.bootstrap: leave it out/,
  ],
])('%s: refused with the field', async (_what, source, target, message) => {
  const spec = { source, target: { cluster: { name: 'x' }, ...target } }
  await expect(cluster.create(redisRestores, 'wrong', spec)).rejects.toThrow(message)
})
