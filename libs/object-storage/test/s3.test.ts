import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { checkStorage, openS3, StorageError } from '../src/index.ts'
import { collect, faultOf, isCeph, limits, listed, openBucket, startS3, streamOf } from './storages.ts'

const read = 's3:GetObject'
const write = 's3:PutObject'
const list = 's3:ListBucket'
const remove = 's3:DeleteObject'
const sweep = 's3:ListBucketMultipartUploads'
const takeBack = 's3:AbortMultipartUpload'
const all = [read, write, list, remove, sweep, takeBack]

const users = {
  whole: all,
  writer: [write],
  reader: [read, list],
  unlisted: all.filter((right) => right !== list),
  keeping: all.filter((right) => right !== remove),
  blind: all.filter((right) => right !== read),
  nobody: [],
}
const server = await startS3({ users })
afterAll(() => server.stop())
const openAs = (name: keyof typeof users) => openBucket(server, { credentials: server.users[name]! })

test('more than a page are listed, and deleted in batches', async () => {
  const store = openBucket(server, { prefix: '/paged/' })
  const keys = Array.from({ length: 1010 }, (_, index) => `many/${index}`)
  for (let at = 0; at < keys.length; at += 50)
    await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, streamOf(Buffer.from(key)), limits())))
  expect((await listed(store.list('many/', limits()))).map(({ key }) => key)).toEqual(keys.toSorted())
  await store.delete(keys, limits())
  expect(await listed(store.list('', limits()))).toEqual([])
})

test('a wrong secret, an unknown user and a missing bucket are named, and no secret is told', async () => {
  const { accessKeyId, secretAccessKey } = server.admin
  const wrong = [
    [{ credentials: { accessKeyId, secretAccessKey: `${secretAccessKey}x` } }, 'WrongCredentials'],
    [{ credentials: { accessKeyId: 'nobody-knows', secretAccessKey } }, 'WrongCredentials'],
    [{ bucket: 'no-such-bucket' }, 'NoBucket'],
  ] as const
  for (const [options, fault] of wrong) {
    const store = openBucket(server, options)
    const calls = [
      () => store.put('a', streamOf(Buffer.from('a')), limits()),
      () => store.put('b', streamOf(Buffer.alloc(6_000_000)), limits()),
      () => listed(store.list('', limits())),
      () => collect(store.get('a', limits())),
      () => store.delete(['a'], limits()),
      () => store.sweep('', new Date(), limits()),
    ]
    for (const call of calls) {
      const error = await call().catch((caught: unknown) => caught)
      expect(error).toMatchObject({ fault })
      const { stack, message, remedy } = error as StorageError
      const told = `${stack} ${message} ${remedy} ${JSON.stringify(error)}`
      expect(told).not.toContain(secretAccessKey)
      expect(told).not.toContain('Signature=')
      expect((error as StorageError).cause).toBe(undefined)
    }
  }
  expect(await faultOf(openBucket(server, { bucket: 'no-such-bucket' }).head('a', limits()))).toBe('NoBucket')
})

test.each([
  ['whole', []],
  ['writer', ['s3:ListBucket', 's3:GetObject', 's3:DeleteObject', 's3:ListBucketMultipartUploads']],
  ['reader', ['s3:PutObject', 's3:ListBucketMultipartUploads']],
  ['unlisted', ['s3:ListBucket']],
  ['keeping', ['s3:DeleteObject']],
  ['blind', ['s3:GetObject']],
  ['nobody', ['s3:PutObject', 's3:ListBucket', 's3:ListBucketMultipartUploads']],
] as const)('the check of a user names what it lacks: %s', async (name, lacking) => {
  const store = openAs(name)
  const check = await checkStorage(store, limits())
  const missing = check.missingPermissions.flatMap((permission) => permission.split(' and ')[0])
  const rights: readonly string[] = users[name]
  const canWrite = rights.includes(write)
  // In Ceph an object belongs to who wrote it, and may be read by them whatever the policy of the bucket says.
  const lacks = lacking.filter((right) => !(isCeph && canWrite && right === read)).toSorted()
  expect(missing.toSorted()).toEqual(lacks)
  expect(check.ok).toBe(lacks.length === 0)
  expect(check.leftBehind === null).toBe(!canWrite || rights.includes(remove))
  expect(check.keepsFirst).toBe(canWrite ? true : null)
})

test('a server that is not there is unreachable', async () => {
  const store = openBucket(server, { endpoint: `http://127.0.0.1:1`, tries: 2 })
  const error = await store.head('a', limits()).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ fault: 'Unreachable', mayPass: true })
  const check = await checkStorage(store, limits())
  expect(check.ok).toBe(false)
  expect(check.missingPermissions).toEqual([])
})

test("credentials are the environment's where none are given, and named where there are none", async () => {
  onTestFinished(() => void vi.unstubAllEnvs())
  const { endpoint, bucket, admin } = server
  // Nothing may be asked of a machine's own service, and no file of a person be read.
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null')
  expect(await faultOf(listed(openS3({ endpoint, bucket }).list('', limits())))).toBe('WrongCredentials')
  vi.stubEnv('AWS_ACCESS_KEY_ID', admin.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', admin.secretAccessKey)
  expect(await faultOf(listed(openS3({ endpoint, bucket }).list('', limits())))).toBe('none')
})

test('an endpoint with credentials in it, or that is none, is refused without being repeated', () => {
  for (const endpoint of ['https://user:hunter2@s3.example.org', 'hunter2', 'ftp://hunter2']) {
    const open = () => openS3({ bucket: 'a', endpoint })
    expect(open).toThrow(StorageError)
    expect(open).not.toThrow(/hunter2/)
  }
})
