import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './run-command.ts'
import { step, type Log } from './step-log.ts'

/** A program of the system that the platform needs, and the Debian package that brings it. */
export type Program = { readonly file: string; readonly package: string }

const places = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/lib/cni', '/usr/local/bin']

const programs: readonly Program[] = [
  { file: 'runc', package: 'runc' },
  { file: 'ptp', package: 'containernetworking-plugins' },
  { file: 'host-local', package: 'containernetworking-plugins' },
  { file: 'nft', package: 'nftables' },
  { file: 'ip', package: 'iproute2' },
  { file: 'newuidmap', package: 'uidmap' },
  { file: 'openssl', package: 'openssl' },
  { file: 'conntrack', package: 'conntrack' },
  { file: 'nsenter', package: 'util-linux' },
  { file: 'unshare', package: 'util-linux' },
]

/** Programs of the system that are not here. */
export function missingPrograms(): readonly Program[] {
  return programs.filter(({ file }) => !places.some((place) => existsSync(join(place, file))))
}

/** Installs what is missing when root; says the one command that does it otherwise. */
export async function ensurePrograms(log: Log, signal: AbortSignal): Promise<void> {
  const missing = missingPrograms()
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((program) => program.package))]
  const remedy = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0) throw new Error(`missing Debian packages. Remedy, as root: ${remedy}`)
  await step(log, `install ${packages.join(', ')}`, async (progress) => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    await runCommand('apt-get', ['update'], { deadline: 5 * 60_000, signal, env })
    await runCommand('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
      deadline: 10 * 60_000,
      signal,
      env,
      onLine: progress,
    })
  })
  const still = missingPrograms()
  if (still.length > 0) throw new Error(`still missing: ${still.map(({ file }) => file).join(', ')}. Remedy: ${remedy}`)
}
