import { busPort, CLIENT_PORT, type RedisClusterSpec } from '@slotkeeper/api'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  m: 1 / 1000,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
}

/** Bytes of a Kubernetes quantity. */
export function quantityBytes(quantity: string): number {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity)
  const unit = UNITS[match?.[2] ?? '']
  if (match === null || unit === undefined) throw new Error(`not a quantity of bytes: ${quantity}`)
  return Math.floor(Number(match[1]) * unit)
}

/** maxmemory in bytes; 0 (unlimited) for a percentage without a memory limit. */
export function maxMemoryBytes(spec: RedisClusterSpec): number {
  if (!spec.maxMemory.endsWith('%')) return quantityBytes(spec.maxMemory)
  const limit = spec.resources?.limits?.['memory']
  return limit === undefined ? 0 : Math.floor((quantityBytes(limit) * Number(spec.maxMemory.slice(0, -1))) / 100)
}

/** What the servers write to disk. */
export function persistenceOf(spec: RedisClusterSpec): 'aof' | 'rdb' | 'none' {
  return spec.storage?.persistence ?? 'none'
}

/** Settings that are kept live on every server, as CONFIG GET prints them. */
export function liveSettings(spec: RedisClusterSpec): Readonly<Record<string, string>> {
  return { maxmemory: String(maxMemoryBytes(spec)), ...spec.config }
}

/** The redis.conf of every server of a cluster. The same for all: roles and addresses are not in it. */
export function redisConf(spec: RedisClusterSpec, uid: string): string {
  const persistence = persistenceOf(spec)
  const ours: Record<string, string> = {
    port: String(CLIENT_PORT),
    bind: '* -::*',
    'protected-mode': 'no',
    dir: '/data',
    timeout: '0',
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-port': String(busPort(uid)),
    'cluster-node-timeout': String(spec.nodeTimeoutMs),
    // With 0 a replica that never synced could be elected (SAFETY 5).
    'cluster-replica-validity-factor': '10',
    // One driver of placement: the controller.
    'cluster-allow-replica-migration': 'no',
    // A lost shard must not take the others down.
    'cluster-require-full-coverage': 'no',
    'repl-diskless-sync': 'yes',
    'repl-diskless-sync-delay': '0',
    'shutdown-timeout': '10',
    appendonly: persistence === 'aof' ? 'yes' : 'no',
    save: persistence === 'rdb' ? '3600 1 300 100 60 10000' : '""',
    // A server that keeps nothing keeps no file of its last sync either: loaded again, it would be old data.
    ...(persistence === 'none' ? { 'rdb-del-sync-files': 'yes' } : {}),
    // An empty replica reads its first sync from the wire: Valkey 9 looks only once a second whether a file has come.
    // With rdb the file of a sync is all that it has on its volume until it saves for the first time.
    ...(persistence === 'rdb' ? {} : { 'repl-diskless-load': 'on-empty-db' }),
    aclfile: '/etc/slotkeeper/internal/users.acl',
    ...liveSettings(spec),
  }
  const lines = Object.entries(ours).map(([name, value]) => `${name} ${value === '' ? '""' : value}`)
  return [...lines, 'include /etc/slotkeeper/internal/auth.conf', ''].join('\n')
}
