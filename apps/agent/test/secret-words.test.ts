import { join } from 'node:path'
import { type AgentPlan, type AgentStorage, type AgentTask, BACKUP_USER } from '@slotkeeper/backup'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepSecret, wordsHere } from './agent-process.ts'
import { Mounts } from './stage.ts'

const NOBODY = 'http://127.0.0.1:9'
const namespace = 'shop'
const check: AgentTask = { type: 'CheckStorage', sweepAfterMs: 0, known: [] }
const s3 = {
  type: 's3',
  region: 'us-east-1',
  bucket: 'backups',
  prefix: '',
  pathStyle: true,
  endpoint: NOBODY,
} as const
const azure = { type: 'azure', account: 'shop', container: 'backups', prefix: '', endpoint: NOBODY } as const
let mounts: Mounts

beforeAll(async () => {
  mounts = await Mounts.make()
})

afterAll(() => mounts.remove())

/** A Secret as it is mounted; null: there is none, and its folder is empty. */
async function mountOf(data: Readonly<Record<string, string>> | null, about: object) {
  const path = await mounts.mount(data ?? {})
  return { path, namespace, secret: 'mine', ...about }
}

/** What an agent ends with that has this storage. */
const wordsOf = (storage: AgentStorage, mount: AgentPlan['mounts'][number], more: Partial<AgentPlan> = {}) =>
  wordsHere({ storage, encryption: null, deadlineMs: 60_000, progressPort: 0, mounts: [mount], task: check, ...more })

const absent = (message: string) => ({ result: 'Failed', fault: 'SecretMissing', message })

test.each([
  ['nothing', null, 'keys accessKeyId and secretAccessKey'],
  ['one of its keys', { accessKeyId: 'somebody' }, 'key secretAccessKey'],
  ['keys without values', { accessKeyId: 'somebody', secretAccessKey: '\n' }, 'key secretAccessKey'],
])('credentials of S3 with %s', async (_what, data, keys) => {
  const mount = await mountOf(data, { field: 'spec.s3.credentials of the RedisBackupStorage' })
  expect(await wordsOf({ ...s3, credentials: mount.path }, mount)).toEqual(
    absent(
      `the Secret mine does not exist in the namespace shop, or has no value under the ${keys}: create it (spec.s3.credentials of the RedisBackupStorage)`,
    ),
  )
})

test.each([
  ['there is none', null],
  ['one without the key', { 'tls.crt': 'x' }],
  ['one with nothing in it', { 'our.pem': ' \n' }],
])('certificates of an endpoint: %s', async (_what, data) => {
  const mount = await mountOf(data, { field: 'spec.s3.ca of the RedisBackupStorage' })
  expect(await wordsOf({ ...s3, ca: join(mount.path, 'our.pem') }, mount)).toEqual(
    absent(
      'the Secret mine does not exist in the namespace shop, or has no value under the key our.pem: create it (spec.s3.ca of the RedisBackupStorage)',
    ),
  )
})

test('keys of encryption: the one that is named is missing, or is none', async () => {
  const field = 'spec.encryption of the RedisBackupStorage'
  const current = '2026-11'
  const nothing = await mountOf(null, { field })
  expect(await wordsOf(s3, nothing, { encryption: { keys: nothing.path, current } })).toEqual(
    absent(
      `the Secret mine does not exist in the namespace shop, or has no value under the key 2026-11: create it (${field})`,
    ),
  )
  const short = await mountOf({ [current]: keepSecret('c2hvcnQga2V5IG9mIG91cnM=') }, { field })
  expect(await wordsOf(s3, short, { encryption: { keys: short.path, current } })).toMatchObject({
    fault: 'KeyWrong',
    message: `the Secret mine (${field}): the key 2026-11 is not 32 bytes in base64. Remedy: openssl rand -base64 32`,
  })
})

test.each([
  [
    'nothing',
    null,
    'SecretMissing',
    'the Secret mine does not exist in the namespace shop, or has no value under either of the keys accountKey and sasToken: create it (spec.azure.credentials of the RedisBackupStorage)',
  ],
  [
    'what is no key',
    { accountKey: 'no key of any account!' },
    'KeyWrong',
    'the Secret mine (spec.azure.credentials of the RedisBackupStorage): its accountKey is no base64: put in a key of the account as Azure shows it',
  ],
  [
    'two ways in',
    { accountKey: 'c2hvcnQga2V5', sasToken: 'sv=2026&sig=c2ln' },
    'KeyWrong',
    'the Secret mine (spec.azure.credentials of the RedisBackupStorage): it has both accountKey and sasToken: remove the one that is not meant',
  ],
])('credentials of Azure with %s', async (_what, data, fault, message) => {
  for (const value of Object.values(data ?? {})) keepSecret(value)
  const mount = await mountOf(data, { field: 'spec.azure.credentials of the RedisBackupStorage' })
  expect(await wordsOf({ ...azure, credentials: mount.path }, mount)).toEqual({ result: 'Failed', fault, message })
})

/** Asks a server that is none of ours, where nobody listens. */
const finding = (entry: object) =>
  ({ type: 'FindServers', host: '127.0.0.1', port: 9, username: 'default', target: 'primary', ...entry }) as AgentTask

test("the password of a server is told by the user's key, not by the file that it is mounted as", async () => {
  const about = {
    field: 'spec.source.server.password of the RedisRestore',
    keys: { [BACKUP_USER.passwordKey]: 'word' },
  }
  const mount = await mountOf({ [`not-${BACKUP_USER.passwordKey}`]: 'x' }, about)
  expect(await wordsOf(s3, mount, { task: finding({ credentials: mount.path }) })).toEqual(
    absent(
      'the Secret mine does not exist in the namespace shop, or has no value under the key word: create it (spec.source.server.password of the RedisRestore)',
    ),
  )
})

test('the password of a RedisCluster is made by nobody', async () => {
  const mount = await mountOf(null, { secret: 'orders-internal' })
  expect(await wordsOf(s3, mount, { task: finding({ credentials: mount.path }) })).toEqual(
    absent(
      'the Secret orders-internal does not exist in the namespace shop, or has no value under the key backup-password: it was made with the RedisCluster, and is never made anew: restore it from a backup of your Secrets. One that was made before there were backups has no user for them',
    ),
  )
})

test('what a server is trusted by, and shown', async () => {
  const ca = await mountOf(null, { field: 'spec.server.tls.ca of the RedisBackup' })
  const trust = finding({ credentials: null, tls: { ca: join(ca.path, 'ca.crt') } })
  expect(await wordsOf(s3, ca, { task: trust })).toEqual(
    absent(
      'the Secret mine does not exist in the namespace shop, or has no value under the key ca.crt: create it (spec.server.tls.ca of the RedisBackup)',
    ),
  )
  const shown = await mountOf(null, { field: 'spec.server.tls.certificate of the RedisBackup' })
  const show = finding({ credentials: null, tls: { certificate: shown.path } })
  expect(await wordsOf(s3, shown, { task: show })).toEqual(
    absent(
      'the Secret mine does not exist in the namespace shop, or has no value under the keys tls.crt and tls.key: create it (spec.server.tls.certificate of the RedisBackup)',
    ),
  )
})

test('what is there and is no file', async () => {
  const field = 'spec.s3.ca of the RedisBackupStorage'
  const mount = await mountOf({}, { field })
  expect(await wordsOf({ ...s3, ca: join(mount.path, '..data') }, mount)).toEqual(
    absent(
      `the Secret mine (${field}): the key ..data can't be read at ${mount.path}/..data (EISDIR): look how it is mounted`,
    ),
  )
})
