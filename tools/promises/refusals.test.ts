import { configMaps, type KubeObject, type ResourceDescriptor, secrets, services, statefulSets } from '@slotkeeper/k8s'
import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ClusterView } from '../demo/tour.ts'
import { Stage } from './stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'refusals')
})

afterAll(() => stage.close())

/** Prints a hash of every file on the volume of a claim, in a pod that does nothing else. */
async function hashesOn(claim: string): Promise<() => Promise<string>> {
  await stage.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'reader' },
    spec: {
      securityContext: { runAsUser: 999, runAsGroup: 999 },
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'reader',
          image: 'docker.io/valkey/valkey:9.1',
          command: ['sh', '-c', 'while :; do sleep 1; done'],
          volumeMounts: [{ name: 'data', mountPath: '/data', readOnly: true }],
        },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }],
    },
  })
  await stage.kubectl('wait', 'pod/reader', '--for=condition=Ready', '--timeout=60s')
  return () => stage.kubectl('exec', 'reader', '--', 'sh', '-c', 'sha256sum /data/* /data/*/* 2>/dev/null || true')
}

const patch = (name: string, spec: object): Promise<string> =>
  stage.kubectl('patch', 'rdc', name, '--type=merge', '-p', JSON.stringify({ spec }))
const reasonOf = (one: ClusterView, type: string): string | undefined =>
  one.status?.conditions?.find((condition) => condition.type === type)?.reason
const forget = (name: string): Promise<string> => stage.kubectl('delete', 'rdc', name, '--wait=false')

describe.concurrent('volumes of another cluster', () => {
  test('a cluster made anew over retained volumes neither serves nor touches them, and says what to do', async () => {
    await stage.create('kept', { replicasPerShard: 0, storage: { size: '100Mi' } })
    await stage.healthy('kept')
    const { password = '' } = await stage.secret('kept-auth')
    const client = await stage.connect('kept-0-0', { username: 'default', password })
    expect(await client.set('{kept}', 'value').catch(String)).toMatch(/OK|MOVED/)
    client.disconnect()
    const { uid } = (await stage.read('kept')).metadata
    await stage.remove('kept')
    const hashes = await hashesOn('data-kept-0-0')
    const before = await hashes()
    expect(before).toContain('nodes.conf')
    await stage.create('kept', { replicasPerShard: 0, storage: { size: '100Mi' } })
    const message = await stage.stalled('kept', 'VolumeHasOtherData')
    expect(message).toContain(uid)
    expect(message).toMatch(/adoptVolumes: .* to lose it: discardVolumes .*; or give the cluster another name/)
    await until('a second try', 60_000, async () => ((await stage.restarts('kept-0-0'))[0] ?? 0) > 0 || undefined)
    expect(await hashes()).toBe(before)
    await expect(stage.connect('kept-0-0')).rejects.toThrow()
    expect((await stage.read('kept')).status?.formedAt).toBe(undefined)
    await stage.kubectl('delete', 'pod', 'reader')
    // Another remedy, without which nothing is given up.
    for (const shard of [0, 1, 2]) {
      await stage.kubectl('delete', 'pvc', `data-kept-${shard}-0`, '--wait=false')
      await stage.kubectl('delete', 'pod', `kept-${shard}-0`, '--wait=false')
    }
    await stage.healthy('kept')
    await forget('kept')
  })
})

/** Something of somebody else, under a name that a cluster `as` needs. */
const FOREIGN: readonly { readonly as: string; readonly resource: ResourceDescriptor; readonly object: object }[] = [
  {
    as: 'a',
    resource: services,
    object: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a-nodes' }, spec: { ports: [{ port: 1 }] } },
  },
  {
    as: 'b',
    resource: configMaps,
    object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b-config' }, data: { mine: 'yes' } },
  },
  {
    as: 'c',
    resource: secrets,
    object: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'c-auth' }, stringData: { password: 'mine' } },
  },
  {
    as: 'd',
    resource: secrets,
    object: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'd-internal' }, stringData: { mine: 'yes' } },
  },
  {
    as: 'e',
    resource: statefulSets,
    object: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'e-1' },
      spec: {
        replicas: 0,
        serviceName: 'x',
        selector: { matchLabels: { x: 'y' } },
        template: {
          metadata: { labels: { x: 'y' } },
          spec: { containers: [{ name: 'x', image: 'docker.io/valkey/valkey:9.1' }] },
        },
      },
    },
  },
]

/** What a write of ours would change; its status is written by Kubernetes at any time. */
const partsOfOurs = (object: KubeObject | null | undefined) => {
  const { uid, generation, labels, annotations, ownerReferences } = object?.metadata ?? {}
  return { uid, generation, labels, annotations, ownerReferences, data: object?.['data'] }
}

describe.concurrent('names that are taken', () => {
  test.each(FOREIGN)(
    '$as: it says by what, leaves it alone, and goes on once it is gone',
    async ({ as, resource, object }) => {
      const name = (object as KubeObject).metadata.name
      await stage.apply(object)
      const before = await stage.find(resource, name)
      // No node takes its pods: they are not what this is about.
      await stage.create(as, { pod: { nodeSelector: { nobody: 'here' } } })
      expect(await stage.stalled(as, 'NameTaken')).toMatch(new RegExp(`${resource.kind} ${name} .*delete or rename it`))
      expect(partsOfOurs(await stage.find(resource, name))).toEqual(partsOfOurs(before))
      await stage.kubectl('delete', resource.plural, name)
      const ours = await until('one of ours', 60_000, async () => (await stage.find(resource, name)) ?? undefined)
      expect(ours.metadata.ownerReferences).toMatchObject([{ kind: 'RedisCluster', name: as, controller: true }])
      await stage.sees(as, 'no longer Stalled for it', (one) => reasonOf(one, 'Stalled') !== 'NameTaken')
      await forget(as)
    },
  )
})

describe.concurrent('settings that servers refuse', () => {
  test('at the first start, and later: it says which and why, harms no server, and goes on once they are put right', async () => {
    // The Service of clients comes last of all; its name is taken as well.
    await stage.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'wrong' },
      spec: { ports: [{ port: 1 }] },
    })
    await stage.create('wrong', {
      replicasPerShard: 0,
      config: { 'maxmemory-policy': 'nonsense', 'repl-backlog-size': '4mb' },
    })
    expect(await stage.stalled('wrong', 'ConfigRefused')).toMatch(/maxmemory-policy.*nonsense/s)
    await patch('wrong', { config: { 'maxmemory-policy': 'allkeys-lru' } })
    expect(await stage.stalled('wrong', 'NameTaken')).toMatch(/Service wrong .*delete or rename it/)
    await stage.kubectl('delete', 'service', 'wrong')
    await stage.healthy('wrong')
    const names = await stage.podsOf('wrong')
    const restarts = await stage.restarts(...names)
    for (const [setting, value] of [
      ['maxmemory-policy', 'nonsense'],
      ['no-such-setting', '1'],
    ] as const) {
      await patch('wrong', { config: { [setting]: value } })
      expect(await stage.stalled('wrong', 'ConfigRefused')).toMatch(new RegExp(`wrong-\\d-0 refuses ${setting}: `))
      // A server that starts now must find what it can start with.
      const { data } = (await stage.find(configMaps, 'wrong-config')) as unknown as { data: Record<string, string> }
      expect(data['redis.conf']).not.toContain(`${setting} ${value}`)
      expect(await stage.restarts(...names)).toEqual(restarts)
      await patch('wrong', { config: { [setting]: setting === 'maxmemory-policy' ? 'allkeys-lfu' : null } })
      await stage.sees('wrong', 'no longer Stalled', (one) => reasonOf(one, 'Stalled') === undefined)
      await stage.healthy('wrong')
    }
    const { 'control-password': password = '' } = await stage.secret('wrong-internal')
    const control = await stage.connect('wrong-0-0', { username: 'slotkeeper', password })
    expect(await control.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'allkeys-lfu'])
    control.disconnect()
    await forget('wrong')
  })
})
