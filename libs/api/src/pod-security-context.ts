import type { RedisClusterSpec } from './redis-cluster.ts'

/**
 * The security context of the pods of a cluster, and of every pod that writes to one of their volumes: with other ids the
 * servers could not read what they find.
 *
 * @param podUid user and group of the installation; null: the platform chooses (OpenShift)
 */
export function podSecurityContext(spec: RedisClusterSpec, podUid: number | null): Readonly<Record<string, unknown>> {
  return {
    runAsNonRoot: true,
    ...(podUid === null ? {} : { runAsUser: podUid, runAsGroup: podUid, fsGroup: podUid }),
    seccompProfile: { type: 'RuntimeDefault' },
    fsGroupChangePolicy: 'OnRootMismatch',
    ...spec.pod?.securityContext,
  }
}
