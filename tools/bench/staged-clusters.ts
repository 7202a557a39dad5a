import { persistentVolumeClaims, pods, type ResourceDescriptor } from '@slotkeeper/k8s'
import { LABEL } from '@slotkeeper/api'
import { until } from '@slotkeeper/testing'
import type { Stage } from './stage.ts'

/** Applies a cluster as users do, with `kubectl apply`. A cluster with volumes loses them when it is deleted. */
export async function applyCluster(stage: Stage, name: string, spec: object, signal: AbortSignal): Promise<void> {
  const manifest = { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisCluster', metadata: { name }, spec }
  const input = JSON.stringify(manifest)
  await stage.platform.kubectl(['-n', stage.namespace, 'apply', '-f', '-'], { input, signal })
}

/** Deletes a cluster and waits until its pods and volumes are gone too, so that the next one finds a quiet platform. */
export async function deleteCluster(stage: Stage, name: string, signal: AbortSignal): Promise<void> {
  const { platform, objects, namespace } = stage
  const args = ['-n', namespace, 'delete', 'rediscluster', name, '--ignore-not-found', '--timeout=60s']
  await platform.kubectl(args, { deadline: 70_000, signal })
  const left = async (resource: ResourceDescriptor): Promise<number> =>
    (await objects.list(resource, { namespace, labelSelector: `${LABEL.cluster}=${name}` }, { signal })).items.length
  await until(
    `the end of the pods and volumes of ${name}`,
    120_000,
    async () => ((await left(pods)) + (await left(persistentVolumeClaims)) === 0 ? true : undefined),
    { signal },
  )
}
