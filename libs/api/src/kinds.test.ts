import { describe, expect, test } from 'vitest'
import type { Schema } from './crd.ts'
import { redisBackupScheduleCrd } from './redis-backup-schedule.ts'
import { redisBackupStorageCrd } from './redis-backup-storage.ts'
import { redisBackupCrd } from './redis-backup.ts'
import { redisClusterCrd } from './redis-cluster-crd.ts'
import { redisRestoreCrd } from './redis-restore.ts'

/** What is looked at of a CustomResourceDefinition. */
type Definition = {
  readonly spec: {
    readonly versions: readonly {
      readonly additionalPrinterColumns: readonly { readonly name: string; readonly priority?: number }[]
      readonly schema: { readonly openAPIV3Schema: Schema & { readonly properties: { readonly spec: Schema } } }
    }[]
  }
}

const kinds = {
  RedisBackup: redisBackupCrd,
  RedisBackupSchedule: redisBackupScheduleCrd,
  RedisBackupStorage: redisBackupStorageCrd,
  RedisCluster: redisClusterCrd,
  RedisRestore: redisRestoreCrd,
}

const versionOf = (kind: keyof typeof kinds) => {
  const [version] = (kinds[kind]() as unknown as Definition).spec.versions
  if (version === undefined) throw new Error(`${kind} has no version`)
  return version
}

/** The fields below a schema that say nothing of themselves. */
function silentIn({ properties = {}, items }: Schema, path: string): readonly string[] {
  const inside = items === undefined ? [] : silentIn(items as Schema, `${path}[]`)
  const fields = Object.entries(properties as Readonly<Record<string, Schema>>).flatMap(([name, field]) => [
    ...(field['description'] === undefined ? [`${path}.${name}`] : []),
    ...silentIn(field, `${path}.${name}`),
  ])
  return [...inside, ...fields]
}

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('%s', (kind) => {
  test('kubectl explain says what it is, and what each field of its spec is for', () => {
    const { openAPIV3Schema } = versionOf(kind).schema
    expect(openAPIV3Schema['description']).toEqual(expect.any(String))
    expect(silentIn(openAPIV3Schema.properties.spec, 'spec')).toEqual([])
  })
})

/** The columns of `kubectl get`, those of `-o wide` in brackets. */
const columnsOf = (kind: keyof typeof kinds): string =>
  versionOf(kind)
    .additionalPrinterColumns.map(({ name, priority = 0 }) => (priority === 0 ? name : `[${name}]`))
    .join(' ')

test('kubectl get tells why one waits or has failed, at the end, and how a backup was verified', () => {
  expect(columnsOf('RedisBackup')).toBe('Cluster [Server] State Keys Bytes Verified Ended Age Reason')
  expect(columnsOf('RedisRestore')).toBe('Cluster State Keys Taken Ended Age Reason')
})

test('kubectl get -o wide tells of a cluster that is paused', () => {
  expect(columnsOf('RedisCluster')).toContain('[Paused]')
})
