import { canLoad, formatWrittenBy, type RdbEngine, type RdbTarget } from '@slotkeeper/rdb'
import type { BackupManifest } from './manifest.ts'

/** Why servers of this kind do not load a backup, in a sentence; null if they do. To be asked before anything is touched. */
export function refusalOf({ shards }: BackupManifest, target: RdbTarget): string | null {
  const refused = shards.map(({ content }) => canLoad(content, target)).find(({ loads }) => !loads)
  return refused?.reason ?? null
}

/** Why servers of this kind load nothing that those others write, in a sentence; null where that is not certain. To be asked before anything is read. */
export function refusalOfEngine(source: RdbEngine, target: RdbTarget): string | null {
  const { loads, reason } = canLoad({ ...formatWrittenBy(source, 'file'), modules: [] }, target)
  return loads ? null : reason
}
