import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { redisBackups, redisBackupStorages, redisRestores, type ResourceDescriptor } from '@slotkeeper/k8s'
import { connectCluster, until } from '@slotkeeper/testing'
import type { Platform } from '../local/src/index.ts'
import { startS3 } from './s3-server.ts'
import { healthy, objectsIn, podsOf } from './tour.ts'

const PATIENCE_MS = 120_000
const examples = join(import.meta.dirname, '../../examples')

/** What the acts of the demo reach out to. */
export type Theatre = {
  readonly on: Platform
  readonly namespace: string
  readonly say: (text: string) => void
  readonly ok: (text: string) => void
}

type Status = { readonly state?: string; readonly message?: string; readonly keys?: number; readonly bytes?: number }

/** Applies an example as a reader of the docs would. */
const apply = ({ on, namespace }: Theatre, file: string): Promise<string> =>
  on.kubectl(['-n', namespace, 'apply', '-f', join(examples, file)])

async function reached(
  { on, namespace }: Theatre,
  resource: ResourceDescriptor,
  name: string,
  state: string,
): Promise<Status> {
  return until(`${resource.kind} ${name}: ${state}`, PATIENCE_MS, async () => {
    const io = { signal: AbortSignal.timeout(10_000) }
    const found = await objectsIn(on).get(resource, { namespace, name }, io)
    const status = (found?.['status'] ?? {}) as Status
    if (status.state === 'Failed') throw new Error(`${resource.kind} ${name} has failed: ${status.message}`)
    return status.state === state ? status : undefined
  })
}

/** Backs the cluster `orders` up into a bucket of a real S3 server. */
export async function backUp(theatre: Theatre): Promise<void> {
  const { on, namespace, say, ok } = theatre
  say('Backing up into a bucket: kubectl apply -f examples/backups/archive.yaml, then examples/backups/orders.yaml')
  await on.kubectl(['create', 'namespace', 'storage'])
  const kubectl = (...args: readonly string[]): Promise<string> => on.kubectl(['-n', 'storage', ...args])
  const applyIn = async (object: object): Promise<void> =>
    void (await on.kubectl(['-n', 'storage', 'apply', '-f', '-'], { input: JSON.stringify(object) }))
  const { credentials } = await startS3({ platform: on, namespace: 'storage', kubectl, apply: applyIn })
  const secrets = {
    'archive-credentials': credentials,
    'archive-keys': { '2026-11': randomBytes(32).toString('base64') },
  }
  for (const [name, stringData] of Object.entries(secrets)) {
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData }
    await on.kubectl(['apply', '-f', '-'], { input: JSON.stringify(secret) })
  }
  await apply(theatre, 'backups/archive.yaml')
  await reached(theatre, redisBackupStorages, 'archive', 'Usable')
  await apply(theatre, 'backups/orders.yaml')
  const { keys, bytes = 0 } = await reached(theatre, redisBackups, 'orders-1', 'Completed')
  ok(`${keys} keys are in ${Math.round(bytes / 1024)} KiB, encrypted, read back and compared`)
}

/** Deletes the cluster with its volumes. */
export async function loseEverything({ on, namespace, say, ok }: Theatre): Promise<void> {
  say('Losing everything: kubectl delete rediscluster orders, kubectl delete pvc --all')
  await on.kubectl(['-n', namespace, 'delete', 'rediscluster', 'orders', '--timeout=60s'], { deadline: 70_000 })
  await until('the end of the pods', PATIENCE_MS, async () =>
    (await podsOf(on, namespace, 'orders')).length === 0 ? true : undefined,
  )
  await on.kubectl(['-n', namespace, 'delete', 'pvc', '--all', '--timeout=60s'], { deadline: 70_000 })
  ok('no server, no volume')
}

/** Restores into more shards; gives how many of these keys are not there as they were. */
export async function restore(theatre: Theatre, keys: Iterable<string>): Promise<number> {
  const { on, namespace, say, ok } = theatre
  const file = 'restores/orders.yaml'
  say(`Restoring into five shards: kubectl apply -f examples/${file}`)
  const { shards } = /shards: (?<shards>\d+)/.exec(readFileSync(join(examples, file), 'utf8'))?.groups ?? {}
  const started = performance.now()
  await apply(theatre, file)
  await reached(theatre, redisRestores, 'orders-back', 'Completed')
  await healthy(on, namespace, 'orders-again')
  ok(
    `${shards} primaries and ${shards} replicas, Healthy ${((performance.now() - started) / 1000).toFixed(1)} s after apply`,
  )
  const secret = ['-n', namespace, 'get', 'secret', 'orders-again-auth', '-o', 'jsonpath={.data.password}']
  const password = Buffer.from(await on.kubectl(secret), 'base64').toString('utf8')
  const startAt = (await podsOf(on, namespace, 'orders-again')).map(({ metadata }) => ({
    host: `${metadata.name}.orders-again-nodes.${namespace}.svc.cluster.local`,
    port: 6379,
  }))
  const client = connectCluster({ dial: (...to) => on.dial(...to), startAt, password })
  try {
    const values = await Promise.all(Array.from(keys, async (key) => [key, await client.get(key)] as const))
    return values.filter(([key, value]) => key !== value).length
  } finally {
    client.disconnect()
  }
}
