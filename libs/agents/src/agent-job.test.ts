import { redisBackupStorageSpec } from '@slotkeeper/api'
import { type AgentOrder, agentPlan } from '@slotkeeper/backup'
import { expect, test } from 'vitest'
import { agentJob, type JobRequest } from './agent-job.ts'

const order: AgentOrder = {
  job: 'nightly-0badcafe-check-1-1',
  step: 'check',
  part: 1,
  attempt: 1,
  task: { type: 'CheckStorage', sweepAfterMs: 1, known: [] },
  deadlineMs: 1_000,
}
const owner = { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisBackupStorage', name: 'archive', uid: 'u' }
const s3 = { bucket: 'backups' }

type Pod = Record<string, unknown> & {
  readonly containers: readonly { readonly env: readonly { readonly value: string }[] }[]
}

/** The pod of such a Job. */
function podOf(change: Partial<JobRequest>, storage: object = { s3 }) {
  const spec = redisBackupStorageSpec.parse(storage)
  const request = { namespace: 'shop', owner, agentOf: 'storage.archive', image: 'slotkeeper:1', cluster: null, order }
  const job = agentJob({ ...request, storage: spec, isUserChosen: false, ...change })
  return (job as unknown as { spec: { template: { spec: Pod } } }).spec.template.spec
}

test('who an agent is', () => {
  expect(podOf({})['securityContext']).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532, fsGroup: 65_532 })
})

// An id outside of the range of its namespace has the pod refused.
test.each([
  ['that only reads', {}, { s3 }],
  [
    'that fills a volume from another one',
    { volume: { claimName: 'data-orders-0-0', securityContext: { runAsNonRoot: true }, placement: {}, labels: {} } },
    { filesystem: { claimName: 'archive' } },
  ],
])('where the platform chooses users an agent %s names none', (_what, change, storage) => {
  const context = podOf({ isUserChosen: true, ...change }, storage)['securityContext']
  expect(Object.keys(context as object).filter((key) => /^(runAsUser|runAsGroup|fsGroup)$/.test(key))).toEqual([])
})

test('images are fetched with the Secrets of the storage, and that of a server beside it with those of its cluster', () => {
  expect(podOf({})).not.toHaveProperty('imagePullSecrets')
  const storage = { s3, agent: { imagePullSecrets: [{ name: 'ours' }] } }
  const cluster = { imagePullPolicy: 'Always' as const, imagePullSecrets: [{ name: 'theirs' }] }
  const pod = podOf({ scratch: { image: 'valkey:9', port: 6379, cluster } }, storage)
  expect(pod['imagePullSecrets']).toEqual([{ name: 'ours' }, { name: 'theirs' }])
  expect(pod['initContainers']).toMatchObject([
    { image: 'valkey:9', imagePullPolicy: 'Always', restartPolicy: 'Always' },
  ])
})

test('the volume of a server beside it comes and goes with the pod: of the node, or of a class', () => {
  const scratch = { image: 'valkey:9', port: 6379 }
  const volumeOf = (storage: object) => (podOf({ scratch }, storage)['volumes'] as object[]).at(-1)
  expect(volumeOf({ s3 })).toEqual({ name: 'seeded', emptyDir: {} })
  expect(volumeOf({ s3, agent: { scratch: { size: '20Gi', storageClassName: 'fast' } } })).toMatchObject({
    ephemeral: {
      volumeClaimTemplate: { spec: { storageClassName: 'fast', resources: { requests: { storage: '20Gi' } } } },
    },
  })
})

test('a container of Azure is told to the agent, and its credentials are mounted', () => {
  const azure = { account: 'shop', container: 'backups', prefix: 'shop', credentials: { secretName: 'azure' } }
  const { containers, volumes } = podOf({}, { azure })
  const storage = { type: 'azure', account: 'shop', container: 'backups', prefix: 'shop/' }
  const credentials = '/etc/slotkeeper/credentials'
  expect(JSON.parse(containers[0]?.env[0]?.value ?? '')).toMatchObject({ storage: { ...storage, credentials } })
  expect(volumes).toMatchObject([{ name: 'credentials', secret: { secretName: 'azure' } }])
})

/** What the agent is told of its mounts. */
const toldOf = (change: Partial<JobRequest>, storage?: object) => {
  const { value = '' } = podOf(change, storage).containers[0]?.env[0] ?? {}
  expect(value).not.toContain('$')
  return agentPlan.parse(JSON.parse(value)).mounts
}

const CREDENTIALS = '/etc/slotkeeper/credentials'
const whole = {
  s3: {
    bucket: 'backups',
    endpoint: 'https://s3.example',
    credentials: { secretName: 'mine' },
    ca: { secretName: 'ca', key: 'our$(CA).pem' },
  },
  encryption: { secretName: 'keys', currentKey: '2026-11' },
}
const namespace = 'shop'

test('the agent is told which Secret each mount is of, and which field names it', () => {
  expect(toldOf({}, whole)).toEqual([
    { path: CREDENTIALS, namespace, secret: 'mine', field: 'spec.s3.credentials of the RedisBackupStorage' },
    { path: '/etc/slotkeeper/ca', namespace, secret: 'ca', field: 'spec.s3.ca of the RedisBackupStorage' },
    { path: '/etc/slotkeeper/keys', namespace, secret: 'keys', field: 'spec.encryption of the RedisBackupStorage' },
  ])
  const azure = { account: 'shop', container: 'backups', credentials: { secretName: 'azure' } }
  const field = 'spec.azure.credentials of the RedisBackupStorage'
  expect(toldOf({}, { azure })).toEqual([{ path: CREDENTIALS, namespace, secret: 'azure', field }])
  expect(toldOf({ volume: { claimName: 'data', securityContext: {}, placement: {}, labels: {} } })).toEqual([])
})

test('of the Secret of a RedisCluster nobody has named any field', () => {
  expect(toldOf({ cluster: 'orders' })).toEqual([
    { path: '/etc/slotkeeper/server', namespace, secret: 'orders-internal' },
  ])
})

test.each([
  ['a backup of other servers', {}, 'spec.server', 'RedisBackup'],
  ['the copy that a restore has made', { isCopy: true }, 'spec.source.server', 'RedisRestore'],
])("%s: the fields where they were written, and the user's own key", (_what, change, path, kind) => {
  const password = { secretName: 'old', key: 'word' }
  const tls = { ca: { secretName: 'old-ca', key: 'ca.crt' }, certificate: { secretName: 'old-cert' } }
  const server = { address: 'old:6379', username: 'default', password, tls }
  const fieldOf = (part: string): string => `${path}.${part} of the ${kind}`
  expect(toldOf({ server, ...change })).toEqual([
    {
      path: '/etc/slotkeeper/server',
      namespace,
      secret: 'old',
      field: fieldOf('password'),
      keys: { 'backup-password': 'word' },
    },
    { path: '/etc/slotkeeper/server-ca', namespace, secret: 'old-ca', field: fieldOf('tls.ca') },
    { path: '/etc/slotkeeper/server-certificate', namespace, secret: 'old-cert', field: fieldOf('tls.certificate') },
  ])
})
