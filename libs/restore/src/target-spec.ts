import { CATALOGUE, redisClusterSpec, type RedisClusterSpec, type RedisRestoreSpec } from '@slotkeeper/api'
import type { Failure } from '@slotkeeper/backup'
import type { RestoreStatus } from '@slotkeeper/events'

/** As the rule of RedisCluster has it, which the API server checks only when the cluster is made. */
const MOST_PODS = 200

/** What servers are, as `valkey` and `9.1`. */
export type Engine = { readonly engine: 'redis' | 'valkey'; readonly version: string }

/** What the new cluster will be, or why it can be none. */
export type TargetSpec = { readonly spec: RedisClusterSpec; readonly engine: Engine } | Failure

/**
 * The spec of the cluster that is created: the template, or what the backup says that the cluster was.
 *
 * @param stored the spec in the backup; null where it is not known
 */
export function targetSpec(
  { target }: Pick<RedisRestoreSpec, 'target'>,
  stored: Readonly<Record<string, unknown>> | null,
): TargetSpec {
  if (target.template === undefined && stored === null)
    return {
      reason: 'TemplateMissing',
      message:
        'what the cluster will be is not known: set spec.target.template. The backup is of servers that were no RedisCluster, or the spec in its manifest is too large to be handed over',
    }
  // Nobody waits for a cluster that stands still: whoever wants that says so when it is there.
  const {
    bootstrap: _bootstrap,
    paused: _paused,
    ...wanted
  }: Readonly<Record<string, unknown>> = {
    ...(target.template ?? stored),
    ...(target.shards === undefined ? {} : { shards: target.shards }),
  }
  const { success, data: spec, error } = redisClusterSpec.safeParse(wanted)
  if (!success) {
    const [first] = error.issues
    const message = `the spec of the cluster: ${first?.path.map(String).join('.')}: ${first?.message}: set spec.target.template`
    return { reason: 'TemplateRefused', message }
  }
  const pods = spec.shards * (spec.replicasPerShard + 1)
  if (pods > MOST_PODS)
    return {
      reason: 'TemplateRefused',
      message: `${spec.shards} shards with ${spec.replicasPerShard} replicas each are ${pods} pods, and a cluster has ${MOST_PODS} at most: take fewer shards, or set spec.target.template`,
    }
  if (spec.storage === undefined || spec.storage.persistence === 'none')
    return {
      reason: 'NoVolume',
      message:
        'a restore fills volumes: the cluster needs storage with persistence aof or rdb (spec.target.template.storage)',
    }
  const engine = engineOf(spec)
  if (engine === null) {
    const message = `which servers the image ${spec.image} holds is not known: set version, or an image whose tag begins with one, as valkey:9.1`
    return { reason: 'EngineUnknown', message }
  }
  return { spec, engine }
}

/** The same of a cluster that is there, and stays as it is. */
export function asItIs(spec: RestoreStatus['spec']): TargetSpec {
  const read = redisClusterSpec.safeParse(spec)
  if (read.success) return targetSpec({ target: { cluster: { name: '' }, template: read.data } }, null)
  return {
    reason: 'TemplateRefused',
    message: `the spec of the cluster can't be read: ${read.error.issues[0]?.message}`,
  }
}

/** What the servers of a cluster are, by the tag of their image; null where that does not tell. */
export function engineOf({ version, image }: Pick<RedisClusterSpec, 'version' | 'image'>): Engine | null {
  const match = /(redis|valkey)[^/]*:v?(\d+\.\d+(?:\.\d+)?)/.exec(image ?? CATALOGUE[version ?? 'valkey-9.1'])
  const [, engine, number = ''] = match ?? []
  return engine === 'redis' || engine === 'valkey' ? { engine, version: number } : null
}
