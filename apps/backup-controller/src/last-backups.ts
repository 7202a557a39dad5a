import type { Metrics } from '@slotkeeper/observability'
import type { CachedBackup } from './caches.ts'

/**
 * Says by a metric when the newest completed backup of each cluster ended: its age is what one wants to be woken for.
 * A cluster whose last one is gone is no longer named.
 */
export function tellLastBackups(gauge: Metrics['lastBackup'], backups: readonly CachedBackup[]): void {
  const newest = new Map<string, { readonly labels: Record<string, string>; readonly at: number }>()
  for (const { namespace, cluster, storage, completed } of backups) {
    if (completed === undefined) continue
    const at = Date.parse(completed.endedAt) / 1_000
    const key = `${namespace}/${cluster}/${storage}`
    if (at > (newest.get(key)?.at ?? 0)) newest.set(key, { labels: { namespace, cluster, storage }, at })
  }
  gauge.reset()
  for (const { labels, at } of newest.values()) gauge.set(labels, at)
}
