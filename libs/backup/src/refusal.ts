import { canLoad, type RdbTarget, sumOfContents } from '@slotkeeper/rdb'
import type { BackupManifest } from './manifest.ts'

/** Why servers of this kind do not load a backup, in a sentence; null if they do. To be asked before anything is touched. */
export function refusalOf({ shards }: BackupManifest, target: RdbTarget): string | null {
  const contents = shards.map((one) => one.content)
  const formats = new Set(contents.map(({ format, version }) => `${format} ${version}`))
  if (formats.size > 1) {
    const refused = contents.map((one) => canLoad(one, target)).find(({ loads }) => !loads)
    return refused?.reason ?? null
  }
  const { loads, reason } = canLoad(sumOfContents(contents), target)
  return loads ? null : reason
}
