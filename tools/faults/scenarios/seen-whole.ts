import { until } from '@slotkeeper/testing'
import type { Trial } from '../trial.ts'

const PATIENCE_MS = 60_000

/**
 * Waits until the append-only file of each of these primaries was seen to be whole, which is so from some 3 s after the cluster
 * was formed: where no replica can take over from one that is killed before that, a person must act (docs/limits.md).
 */
export async function seenWhole(trial: Trial, primaries: readonly string[]): Promise<void> {
  if (trial.persistence !== 'aof') return
  await until(`append-only files of ${primaries.join(', ')} that were seen to be whole`, PATIENCE_MS, async () => {
    for (const pod of primaries) await trial.stage.kubectl('exec', pod, '--', 'test', '-e', '/data/slotkeeper.whole')
    return true
  })
}
