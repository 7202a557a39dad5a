import { crdOf, type Schema } from './crd.ts'
import { redisClusterRules, redisClusterSpec, redisClusterStatus } from './redis-cluster.ts'

const columns = [
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'State', type: 'string', jsonPath: '.status.state' },
  { name: 'Shards', type: 'integer', jsonPath: '.status.readyShards' },
  { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicasPerShard' },
  { name: 'Version', type: 'string', jsonPath: '.status.version', priority: 1 },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason', priority: 1 },
  { name: 'Paused', type: 'boolean', jsonPath: '.spec.paused', priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

/** The CustomResourceDefinition of RedisCluster. */
export function redisClusterCrd(): Schema {
  return crdOf({
    kind: 'RedisCluster',
    description: 'A cluster of Redis or Valkey: shards, each a primary with its replicas.',
    plural: 'redisclusters',
    shortName: 'rdc',
    columns,
    scale: {
      specReplicasPath: '.spec.shards',
      statusReplicasPath: '.status.shards',
      labelSelectorPath: '.status.selector',
    },
    name: { most: 40, why: 'Services and pods are named after it' },
    spec: redisClusterSpec,
    rules: redisClusterRules,
    status: redisClusterStatus,
  })
}
