import type { AgentReport } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'
import {
  persistentVolumeClaims,
  redisBackups,
  redisBackupStorages,
  redisClusters,
  redisRestores,
} from '@slotkeeper/k8s'
import { type PlayedCluster, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { done, inspected, manifest, nodeOf, ready, RestoreStage, seeded, since } from './restore-stage.ts'

const template = { version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' }, pod: { nodeSelector: { disk: 'fast' } } }
let stage: RestoreStage
let cluster: PlayedCluster

beforeAll(async () => {
  stage = await RestoreStage.start()
  cluster = stage.cluster
}, 120_000)

afterAll(() => cluster?.stop())

test('a restore: volumes are filled as the pods will have them, then the cluster is made, then its servers are asked', async () => {
  await stage.restore('back', { cluster: { name: 'again' }, template })
  const uid = (await cluster.find(redisRestores, 'back'))?.metadata.uid
  const inspection = await cluster.jobNamed('-inspect-1')
  expect(cluster.planOf(inspection)).toMatchObject({
    encryption: { keys: '/etc/slotkeeper/keys' },
    task: { type: 'InspectBackup', manifest, target: { engine: 'valkey', version: '9.1' } },
  })
  await cluster.end(inspection, inspected)
  for (const shard of [0, 1, 2]) {
    const job = await cluster.jobNamed(`-seed-${shard}-1`)
    expect(await stage.claimOf(`data-again-${shard}-0`, true)).toBe(uid)
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
  expect(await stage.claimOf('data-again-0-0', true)).toBe(uid)
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

describe('what is in the way', () => {
  test('a claim of somebody else: refused, and left alone', async () => {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
    await cluster.create(persistentVolumeClaims, 'data-taken-2-1', spec)
    await stage.restore('onto', { cluster: { name: 'taken' }, template })
    expect(await cluster.sees(redisRestores, 'onto', 'Failed')).toMatchObject({ reason: 'VolumeInUse' })
    expect(await stage.claimOf('data-taken-2-1', true)).toBe('nobody')
    expect(await cluster.told('restore', 'onto')).toContain('Refused')
  })

  test('what fails deletes the claims that it made, and only while there is no cluster', async () => {
    await stage.restore('broken', { cluster: { name: 'broken' }, template })
    await cluster.end(await cluster.jobNamed('-inspect-1', 'broken-'), inspected)
    await stage.claimOf('data-broken-0-0', true)
    const failed: AgentReport = { result: 'Failed', fault: 'ObjectDamaged', message: 'it is not what was stored' }
    for (const shard of [0, 1, 2]) await cluster.end(await cluster.jobNamed(`-seed-${shard}-1`, 'broken-'), failed)
    expect(await cluster.sees(redisRestores, 'broken', 'Failed')).toMatchObject({ reason: 'ObjectDamaged' })
    for (const shard of [0, 1, 2]) await stage.claimOf(`data-broken-${shard}-0`, false)
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
