import { createHash } from 'node:crypto'
import { redisClusterSpec } from '@slotkeeper/api'
import { connectKube, type KubeObject, type Objects, objectsOf, secrets } from '@slotkeeper/k8s'
import { type KubeApiServer, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSecrets, readCredentials } from '../src/credentials.ts'

const namespace = 'default'
const plain = redisClusterSpec.parse({ version: 'valkey-9.1', shards: 3 })
const withTheirs = redisClusterSpec.parse({ version: 'valkey-9.1', shards: 3, auth: { secretName: 'theirs' } })
let server: KubeApiServer
let objects: Objects

const io = () => ({ signal: AbortSignal.timeout(10_000) })
const get = (name: string): Promise<KubeObject | null> => objects.get(secrets, { namespace, name }, io())
const contentOf = async (name: string): Promise<Readonly<Record<string, string>>> => {
  const data = ((await get(name))?.['data'] ?? {}) as Record<string, string>
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}
const make = (name: string, data: Record<string, string>, owner?: string): Promise<KubeObject> => {
  const owners = [
    { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisCluster', name: 'x', uid: owner ?? '', controller: true },
  ]
  const metadata = { name, namespace, ...(owner === undefined ? {} : { ownerReferences: owners }) }
  return objects.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, stringData: data }, io())
}
const remove = async (name: string): Promise<void> => {
  const uid = (await get(name))?.metadata.uid ?? ''
  await objects.delete(secrets, { namespace, name }, { uid }, io())
}
const hashed = (password = ''): string => `#${createHash('sha256').update(password).digest('hex')}`
const clusterOf = (name: string) => ({ namespace, name, uid: `uid-of-${name}` })

beforeAll(async () => {
  server = await startKubeApiServer()
  objects = objectsOf(connectKube({ kubeconfigPath: server.kubeconfig }))
})

afterAll(() => server?.stop())

test('a new cluster gets three Secrets that fit each other, once', async () => {
  const cluster = clusterOf('new')
  expect(await createSecrets(objects, cluster, plain, io())).toBe(null)
  const { password } = await contentOf('new-auth')
  const internal = await contentOf('new-internal')
  expect(password?.length).toBeGreaterThan(20)
  expect(internal['users.acl']).toContain(`user default on ${hashed(password)} `)
  expect(internal['users.acl']).toContain(`user slotkeeper on ${hashed(internal['control-password'])} `)
  expect(internal['users.acl']).toContain(`user slotkeeper-probe on ${hashed(internal['probe-password'])} `)
  expect(internal['users.acl']).toContain(`user slotkeeper-backup on ${hashed(internal['backup-password'])} `)
  expect(await contentOf('new-connection')).toMatchObject({
    type: 'redis',
    provider: 'slotkeeper',
    host: 'new.default.svc',
    port: '6379',
    username: 'default',
    password,
    uri: `redis://default:${password}@new.default.svc:6379`,
  })
  const before = await Promise.all(['new-auth', 'new-internal', 'new-connection'].map(get))
  expect(await createSecrets(objects, cluster, plain, io())).toBe(null)
  expect(await Promise.all(['new-auth', 'new-internal', 'new-connection'].map(get))).toEqual(before)
  expect(await readCredentials(objects, cluster, plain, Promise.resolve(false), io())).toEqual({
    type: 'found',
    control: internal['control-password'],
  })
})

test('a creation that was interrupted is finished with the password that clients may have read', async () => {
  const cluster = clusterOf('half')
  await make('half-auth', { password: 'read already' }, cluster.uid)
  expect(await readCredentials(objects, cluster, plain, Promise.resolve(false), io())).toMatchObject({
    type: 'missing',
    secret: 'half-internal',
  })
  expect(await createSecrets(objects, cluster, plain, io())).toBe(null)
  expect((await contentOf('half-internal'))['users.acl']).toContain(`user default on ${hashed('read already')} `)
})

test.each(['auth', 'connection', 'internal'])(
  'the %s Secret of a cluster of this name that was deleted a moment ago is neither used nor touched',
  async (which) => {
    const cluster = clusterOf(`again-${which}`)
    const name = `${cluster.name}-${which}`
    const content = { password: 'old', 'control-password': 'old' }
    const before = await make(name, content, 'uid-of-the-deleted')
    expect(await readCredentials(objects, cluster, plain, Promise.resolve(false), io())).toMatchObject({
      type: 'missing',
    })
    expect(await createSecrets(objects, cluster, plain, io())).toBe(name)
    expect(await get(name)).toEqual(before)
    await remove(name)
    expect(await createSecrets(objects, cluster, plain, io())).toBe(null)
    const { password } = await contentOf(`${cluster.name}-auth`)
    expect(password).not.toBe('old')
    expect((await contentOf(`${cluster.name}-internal`))['users.acl']).toContain(`user default on ${hashed(password)} `)
    expect((await contentOf(`${cluster.name}-connection`))['password']).toBe(password)
  },
)

test('of a cluster that has formed, Secrets that were restored by hand are read, without an owner too', async () => {
  const cluster = clusterOf('restored')
  await make('restored-auth', { password: 'a' })
  await make('restored-internal', { 'control-password': 'b' })
  expect(await readCredentials(objects, cluster, plain, Promise.resolve(true), io())).toEqual({
    type: 'found',
    control: 'b',
  })
  expect(await readCredentials(objects, cluster, plain, Promise.resolve(false), io())).toEqual({
    type: 'missing',
    secret: 'restored-auth',
    message: 'the Secret restored-auth is not ours',
  })
})

test('a password that users bring is taken from their Secret, which is not touched', async () => {
  const cluster = clusterOf('brought')
  await expect(createSecrets(objects, cluster, withTheirs, io())).rejects.toThrow(
    /theirs has no value under the key password/,
  )
  const before = await make('theirs', { password: 'their own' })
  expect(await createSecrets(objects, cluster, withTheirs, io())).toBe(null)
  expect((await contentOf('brought-internal'))['users.acl']).toContain(`user default on ${hashed('their own')} `)
  expect(await get('brought-auth')).toBe(null)
  expect(await get('theirs')).toEqual(before)
})
