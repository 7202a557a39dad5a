import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CommandFailure, runCommand } from './run-command.ts'
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

/** Programs of the system that are in none of the places. */
export function missingPrograms(where: readonly string[] = places): readonly Program[] {
  return programs.filter(({ file }) => !where.some((place) => existsSync(join(place, file))))
}

/** The command that installs what brings the programs, for root. */
export function installCommand(missing: readonly Program[]): string {
  return `apt-get update && apt-get install -y --no-install-recommends ${packagesOf(missing).join(' ')}`
}

const packagesOf = (missing: readonly Program[]): readonly string[] => [...new Set(missing.map((one) => one.package))]

/** Where programs are looked for, and whether they may be installed; what this process finds and is, when not said. */
export type ProgramsOptions = { readonly where?: readonly string[]; readonly root?: boolean }

/** Installs what is missing when root; says the one command that does it otherwise. */
export async function ensurePrograms(
  log: Log,
  signal: AbortSignal,
  { where = places, root = process.getuid?.() === 0 }: ProgramsOptions = {},
): Promise<void> {
  const missing = missingPrograms(where)
  if (missing.length === 0) return
  if (!root) throw new Error(`Debian packages are missing. Remedy, as root: ${installCommand(missing)}`)
  const packages = packagesOf(missing)
  await step(log, `install ${packages.join(', ')}`, (progress) => install(packages, progress, signal))
  const still = missingPrograms(where)
  if (still.length > 0)
    throw new Error(`still missing: ${still.map(({ file }) => file).join(', ')}. Remedy: ${installCommand(still)}`)
}

async function install(packages: readonly string[], progress: Log, signal: AbortSignal): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  const flags = ['install', '-y', '--no-install-recommends']
  try {
    await runCommand('apt-get', ['update'], { deadline: 5 * 60_000, signal, env })
    await runCommand('apt-get', [...flags, ...packages], { deadline: 10 * 60_000, signal, env, onLine: progress })
  } catch (error) {
    const said = error instanceof CommandFailure ? /^E: (.*)$/m.exec(error.stderr)?.[1] : undefined
    const why = said ?? (error instanceof Error ? error.message : String(error))
    throw new Error(
      `apt-get can't install ${packages.join(', ')}: ${why}. Remedy: mend the apt sources, then try again`,
      {
        cause: error,
      },
    )
  }
}
