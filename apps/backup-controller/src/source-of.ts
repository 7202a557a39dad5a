import { CATALOGUE, defined, redisClusterSpec } from '@slotkeeper/api'
import type { Source } from '@slotkeeper/backup'
import type { ClusterStatus, ShardStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisCluster as something to be backed up: what its controller said of it last. */
export function sourceOf({ metadata, ...object }: KubeObject): Source {
  const status = (object['status'] ?? {}) as Partial<ClusterStatus>
  const spec = (object['spec'] ?? {}) as Readonly<Record<string, unknown>>
  const read = redisClusterSpec.safeParse(spec)
  const { version, image = '' } = read.success ? read.data : { version: undefined }
  const isRedis = version === undefined ? !image.includes('valkey') : version.startsWith('redis')
  return {
    uid: metadata.uid ?? '',
    ...defined({ restored: status.restored?.uid }),
    busy: busyBy(metadata.name, status, metadata.deletionTimestamp !== undefined),
    engine: { engine: isRedis ? 'redis' : 'valkey', version: status.version ?? '' },
    image: version === undefined ? image : CATALOGUE[version],
    spec,
    shards: (status.topology ?? []).map(({ shard, slots, primary, attached = [], nodes, addresses = {} }) => ({
      shard,
      slots,
      ...(primary === undefined ? {} : { primary }),
      attached: attached.filter((pod) => pod !== primary),
      nodes,
      addresses,
    })),
  }
}

/** Why a cluster can't be backed up just now, in words; null when it can. */
function busyBy(name: string, status: Partial<ClusterStatus>, isDeleting: boolean): string | null {
  const { formedAt, conditions = [], version = '', operation, openSlots, topology = [] } = status
  if (isDeleting) return `${name} is being deleted`
  if (formedAt === undefined || topology.length === 0) return `${name} has not formed yet`
  const ready = conditions.find((one) => one.type === 'Ready')
  if (ready?.status !== 'True')
    return `${name} is not ready: ${ready?.message ?? 'its controller has said nothing yet'}`
  if (operation !== undefined) return `${operation.type} of ${operation.target} is under way in ${name}`
  if (openSlots !== undefined) return `slots ${openSlots} of ${name} are half moved`
  if (!/^\d+\.\d+/.test(version)) return `which version the servers of ${name} are is not known yet`
  const lame = topology.find(isLame)
  return lame === undefined ? null : `shard ${lame.shard} of ${name} has no primary that answers`
}

function isLame({ primary, primaryDown, nodes, addresses = {} }: ShardStatus): boolean {
  if (primary === undefined || primaryDown === true) return true
  return nodes[primary] === undefined || addresses[primary] === undefined
}
