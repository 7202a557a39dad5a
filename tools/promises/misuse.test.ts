import { until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ClusterView } from '../demo/tour.ts'
import { Stage } from './stage.ts'

const PATIENCE_MS = 60_000

let stage: Stage

const patch = (name: string, spec: object): Promise<string> =>
  stage.kubectl('patch', 'rdc', name, '--type', 'merge', '-p', JSON.stringify({ spec }))
const forget = (name: string): Promise<string> => stage.kubectl('delete', 'rdc', name, '--wait=false')
const reasonOf = (one: ClusterView, type: string): string | undefined =>
  one.status?.conditions?.find((condition) => condition.type === type)?.reason
const uidsOf = async (name: string): Promise<string> =>
  stage.kubectl('get', 'pods', '-l', `slotkeeper.dev/cluster=${name}`, '-o', 'jsonpath={.items[*].metadata.uid}')
const nowhere = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'nobody', operator: 'In', values: ['here'] }] }],
    },
  },
}

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'misuse')
})
afterAll(() => stage.close())

describe('asked for at creation', () => {
  test.concurrent.each([
    [
      'memory',
      'more memory than any node has',
      { resources: { requests: { memory: '100Ti' } } },
      'Unschedulable',
      /memory/,
    ],
    ['affinity', 'a node that is not there', { pod: { affinity: nowhere } }, 'Unschedulable', /affinity|selector/],
    [
      'class',
      'a storage class that is not there',
      { storage: { size: '100Mi', storageClassName: 'nobody' } },
      'Unschedulable',
      /PersistentVolumeClaim/i,
    ],
    [
      'image',
      'an image that is not there',
      { version: null, image: 'localhost:1/nobody:1' },
      'ConfigRefused',
      /image can't be pulled/,
    ],
  ])('%s: %s', async (name, _what, spec, reason, words) => {
    await stage.create(name, spec)
    expect(await stage.stalled(name, reason)).toMatch(words)
    expect((await stage.read(name)).status?.formedAt).toBe(undefined)
    await forget(name)
  })

  test('a cluster that fits nowhere is formed once its spec was put right; nobody has to delete its pods', async () => {
    await stage.create('mended', {
      replicasPerShard: 0,
      pod: { affinity: nowhere },
      resources: { requests: { cpu: '500' } },
    })
    await stage.stalled('mended', 'Unschedulable')
    await patch('mended', { pod: { affinity: null }, resources: { requests: { cpu: '10m', memory: '16Mi' } } })
    await stage.healthy('mended')
    await forget('mended')
  })
})

describe('of a cluster that serves', () => {
  const name = 'served'

  let password = ''

  beforeAll(async () => {
    await Promise.all([
      stage.create(name, { storage: { size: '100Mi' } }),
      stage.create('secretless', { replicasPerShard: 0 }),
    ])
    await Promise.all([stage.healthy(name), stage.healthy('secretless')])
    // Secrets are looked at once a minute: what is said of this one is looked at last.
    password = (await stage.secret('secretless-auth'))['password'] ?? ''
    await stage.kubectl('patch', 'secret', 'secretless-auth', '-p', '{"data":{"password":""}}')
  })
  afterAll(() => forget(name))

  test('what no pod could have touches none; a pod that is made anew meanwhile waits, and starts when it is put right', async () => {
    const before = await uidsOf(name)
    await patch(name, { pod: { affinity: nowhere }, resources: { requests: { memory: '100Ti' } } })
    await stage.sees(
      name,
      'it says that pods are out of date',
      (one) => reasonOf(one, 'PodsUpToDate') === 'RestartPending',
    )
    expect(await uidsOf(name)).toBe(before)
    expect(reasonOf(await stage.read(name), 'Stalled')).toBe(undefined)
    await stage.kubectl('delete', 'pod', `${name}-2-1`, '--wait=true')
    expect(await stage.stalled(name, 'Unschedulable')).toContain(`${name}-2-1`)
    expect(reasonOf(await stage.read(name), 'Ready')).toBe('AllSlotsServed')
    await patch(name, { pod: { affinity: null }, resources: { requests: { cpu: '10m', memory: '16Mi' } } })
    await stage.healthy(name)
    const after = (await uidsOf(name)).split(' ')
    expect(before.split(' ').filter((uid) => !after.includes(uid))).toHaveLength(1)
  })

  test('a spec that is changed in the middle of healing is carried out, and the healing too', async () => {
    const { status } = await stage.read(name)
    const victim = status?.topology?.[0]?.primary ?? ''
    await stage.crash(victim)
    await patch(name, { config: { 'maxmemory-policy': 'allkeys-lru' }, podDisruptionBudget: { mode: 'Cluster' } })
    await stage.healthy(name)
    const { 'control-password': password = '' } = await stage.secret(`${name}-internal`)
    const policyOf = async (pod: string): Promise<string> => {
      const client = await stage.connect(pod, { username: 'slotkeeper', password })
      try {
        const [, policy = ''] = (await client.config('GET', 'maxmemory-policy')) as readonly string[]
        return policy
      } finally {
        client.disconnect()
      }
    }
    // The status is written first, then the servers are told.
    await until('the policy on all servers', PATIENCE_MS, async () => {
      const policies = await Promise.all((await stage.podsOf(name)).map(policyOf))
      return policies.every((policy) => policy === 'allkeys-lru') ? true : undefined
    })
    await until('one budget for all', PATIENCE_MS, async () => {
      const budgets = await stage.kubectl('get', 'pdb', '-l', `slotkeeper.dev/cluster=${name}`, '-o', 'name')
      return budgets === `poddisruptionbudget.policy/${name}\n` ? true : undefined
    })
  })

  test('objects that somebody takes away are there again, and no server notices', async () => {
    const restarts = await stage.restarts(...(await stage.podsOf(name)))
    const before = await uidsOf(name)
    await stage.kubectl('delete', 'service,configmap,pdb', '-l', `slotkeeper.dev/cluster=${name}`)
    await until('all of them', 60_000, async () => {
      const found = await stage.kubectl(
        'get',
        'service,configmap,pdb',
        '-l',
        `slotkeeper.dev/cluster=${name}`,
        '-o',
        'name',
      )
      return found.trim().split('\n').length >= 5 ? true : undefined
    })
    await stage.healthy(name)
    expect(await uidsOf(name)).toBe(before)
    expect(await stage.restarts(...(await stage.podsOf(name)))).toEqual(restarts)
  })

  test('a Secret that lost its content stops nothing but what needs it, and says how to go on', async () => {
    const secret = 'secretless-auth'
    expect(await stage.stalled('secretless', 'SecretMissing')).toContain(
      `${secret} has no value under the key password`,
    )
    const client = await stage.connect('secretless-0-0', { username: 'default', password })
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
    await stage.kubectl('patch', 'secret', secret, '-p', JSON.stringify({ stringData: { password } }))
    await stage.healthy('secretless')
    await forget('secretless')
  })
})
