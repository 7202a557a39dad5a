import { until } from '@slotkeeper/testing'
import { healthy, readCluster } from '../demo/tour.ts'
import type { Stage } from './stage.ts'
import { applyCluster, deleteCluster } from './staged-clusters.ts'

const VERSION = 'valkey-9.1'
const LITTLE = { requests: { cpu: '10m', memory: '16Mi' } }
const FIRST = { version: VERSION, shards: 3, replicasPerShard: 1, resources: LITTLE }
const FURTHER = { version: VERSION, shards: 3, replicasPerShard: 0, resources: LITTLE }
const PATIENCE_MS = 180_000

/** Clusters that nothing happens to: the first of 3 + 3, all others of three primaries. */
export type RestingClusters = {
  readonly names: readonly string[]
  /** Creates as many as are missing, all at once, and waits until they are Healthy. */
  grow(count: number): Promise<void>
  /** Waits until all are Healthy and everything was told of them. */
  atRest(): Promise<void>
  /** Deletes them all, unless the bench was interrupted. */
  end(): Promise<void>
}

/** None yet, on the stage. */
export function restingClusters(stage: Stage, prefix: string, signal: AbortSignal): RestingClusters {
  const { platform, namespace } = stage
  const names: string[] = []
  const create = async (index: number): Promise<void> => {
    const name = `${prefix}-${index}`
    names.push(name)
    await applyCluster(stage, name, index === 0 ? FIRST : FURTHER, signal)
    await healthy(platform, namespace, name, PATIENCE_MS)
  }
  const isAtRest = async (name: string): Promise<boolean> => {
    const { status } = await readCluster(platform, namespace, name)
    return status?.state === 'Healthy' && status.outbox?.length === 0
  }
  return {
    names,
    grow: async (count) => {
      const missing = Array.from({ length: count - names.length }, (_, more) => names.length + more)
      await Promise.all(missing.map(create))
    },
    atRest: async () => {
      const all = async (): Promise<true | undefined> =>
        (await Promise.all(names.map(isAtRest))).every(Boolean) || undefined
      await until(`empty outboxes of ${names.length} clusters`, PATIENCE_MS, all, { everyMs: 500, signal })
    },
    end: async () => {
      if (!signal.aborted) await Promise.all(names.map((name) => deleteCluster(stage, name, signal)))
    },
  }
}
