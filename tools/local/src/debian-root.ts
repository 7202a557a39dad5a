import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import { downloadPackages, type DebianPackages } from './debian-suites.ts'
import { runCommand } from './run-command.ts'
import { step, type Log } from './step-log.ts'

/** A root folder made of unpacked Debian packages, nothing of which is installed. */
export type DebianRoot = DebianPackages & { readonly name: string }

const emptied = [
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'usr/share/lintian',
  'usr/share/bash-completion',
]

/** Unpacks a root folder unless the cache holds it with the same package versions, and gives its path. */
export async function ensureDebianRoot(root: DebianRoot, log: Log, signal: AbortSignal): Promise<string> {
  const known = join(
    cacheDirectory(),
    'roots',
    `${root.name}-${digest([root.suite, ...root.packages, ...(root.architecture === undefined ? [] : [root.architecture])])}`,
  )
  if (existsSync(known)) return known
  await step(log, `unpack ${root.name} from Debian ${root.suite}`, async (progress) => {
    const archives = await downloadPackages(root, log, signal)
    await mkdir(join(cacheDirectory(), 'roots'), { recursive: true })
    const temporary = await mkdtemp(join(cacheDirectory(), 'roots', '.unpacking-'))
    try {
      await chmod(temporary, 0o755)
      for (const folder of ['bin', 'sbin', 'lib', 'lib64']) {
        await mkdir(join(temporary, 'usr', folder), { recursive: true })
        await symlink(`usr/${folder}`, join(temporary, folder))
      }
      for (const archive of archives) {
        progress(basename(archive))
        const unpack = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink --no-same-owner -C "$2"'
        await runCommand('sh', ['-c', unpack, 'unpack', archive, temporary], { signal })
      }
      for (const folder of emptied) await rm(join(temporary, folder), { recursive: true, force: true })
      // Of the documentation the licences stay: who passes an image on must pass them on.
      const read = ['-type', 'f', '!', '-name', 'copyright', '-delete']
      await runCommand('find', [join(temporary, 'usr/share/doc'), ...read], { signal })
      await rename(temporary, known)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
  return known
}

const digest = (parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12)
