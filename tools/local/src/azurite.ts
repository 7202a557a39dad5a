import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import { runCommand } from './run-command.ts'
import { step, type Log } from './step-log.ts'

const source = join(import.meta.dirname, '../azurite')

/**
 * Installs Azurite, Microsoft's Blob Storage for tests, into the cache, with the versions of its own lock file, and gives its
 * program. Its 380 packages are a quarter of a GB, too much for every checkout.
 */
export async function ensureAzurite(log: Log, signal: AbortSignal): Promise<string> {
  const lock = await readFile(join(source, 'package-lock.json'))
  const name = `azurite-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`
  const known = join(cacheDirectory(), 'npm', name)
  const program = join(known, 'node_modules/azurite/dist/src/blob/main.js')
  if (existsSync(program)) return program
  await step(log, 'install Azurite', async (progress) => {
    await mkdir(join(cacheDirectory(), 'npm'), { recursive: true })
    const temporary = await mkdtemp(join(cacheDirectory(), 'npm', '.installing-'))
    try {
      await cp(source, temporary, { recursive: true })
      const flags = ['--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error']
      await runCommand('npm', ['ci', ...flags], { cwd: temporary, deadline: 10 * 60_000, signal, onLine: progress })
      await rename(temporary, known)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
  return program
}
