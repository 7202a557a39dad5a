import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Architecture } from './architecture.ts'
import { cacheDirectory } from './cache-directory.ts'
import { runCommand } from './run-command.ts'
import { step, type Log } from './step-log.ts'

const aDay = 24 * 60 * 60_000

/** The Debian suites that packages are taken from. */
export type Suite = 'bookworm' | 'trixie' | 'forky'

/** Packages of a suite, of this machine's architecture unless another is named. */
export type DebianPackages = {
  readonly suite: Suite
  readonly packages: readonly string[]
  readonly architecture?: Architecture
}

/** The Debian mirror that this machine uses itself: the entry of its own sources that names a Debian suite with `main`. */
export async function ownMirror(): Promise<string> {
  const folder = '/etc/apt/sources.list.d'
  const files = existsSync(folder) ? (await readdir(folder)).toSorted().map((name) => join(folder, name)) : []
  for (const file of ['/etc/apt/sources.list', ...files].filter((name) => existsSync(name))) {
    const text = await readFile(file, 'utf8')
    const found = file.endsWith('.sources') ? fromStanzas(text) : fromLines(text)
    if (found !== undefined) return found
  }
  throw new Error('no Debian mirror in the apt sources of this machine. Remedy: run on Debian, or add one')
}

const isDebian = (uri: string): boolean => /\/debian\/?$/.test(uri)

function fromStanzas(text: string): string | undefined {
  return [...text.matchAll(/^URIs:\s*(\S+)/gm)]
    .map((match) => match[1])
    .find((uri) => uri !== undefined && isDebian(uri))
}

function fromLines(text: string): string | undefined {
  return [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s/gm)]
    .map((match) => match[1])
    .find((uri) => uri !== undefined && isDebian(uri))
}

const folderOf = ({ suite, architecture }: DebianPackages): string =>
  join(cacheDirectory(), 'apt', architecture === undefined ? suite : `${suite}-${architecture}`)

/** Prepares apt for one suite without touching the system's own, and gives the path of its configuration. */
async function privateApt(wanted: DebianPackages, log: Log, signal: AbortSignal): Promise<string> {
  const { suite, architecture } = wanted
  const root = folderOf(wanted)
  const configuration = join(root, 'apt.conf')
  const stamp = join(root, 'updated')
  const age = existsSync(stamp) ? Date.now() - Number(await readFile(stamp, 'utf8')) : Number.POSITIVE_INFINITY
  if (age < aDay) return configuration
  await step(
    log,
    `package lists of Debian ${suite}${architecture === undefined ? '' : ` for ${architecture}`}`,
    async () => {
      for (const folder of ['state/lists/partial', 'cache/archives/partial', 'etc', 'log'])
        await mkdir(join(root, folder), { recursive: true })
      await writeFile(join(root, 'status'), '')
      const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
      await writeFile(join(root, 'etc/sources.list'), `deb [signed-by=${keyring}] ${await ownMirror()} ${suite} main\n`)
      const lines = [
        `Dir::State "${root}/state";`,
        `Dir::State::status "${root}/status";`,
        `Dir::Cache "${root}/cache";`,
        `Dir::Log "${root}/log";`,
        `Dir::Etc::sourcelist "${root}/etc/sources.list";`,
        'Dir::Etc::sourceparts "-";',
        'Dir::Etc::preferencesparts "-";',
        'APT::Sandbox::User "root";',
        'APT::Install-Recommends "false";',
        'Acquire::Languages "none";',
        'Acquire::Retries "3";',
        'Debug::NoLocking "true";',
        // Some images remove what they downloaded at once.
        'DPkg::Post-Invoke ""; APT::Update::Post-Invoke "";',
        'Binary::apt::APT::Keep-Downloaded-Packages "true";',
        ...(architecture === undefined
          ? []
          : [`APT::Architecture "${architecture}";`, `APT::Architectures { "${architecture}"; };`]),
      ]
      await writeFile(configuration, `${lines.join('\n')}\n`)
      await runCommand('apt-get', ['update'], { env: { APT_CONFIG: configuration }, deadline: 5 * 60_000, signal })
      await writeFile(stamp, String(Date.now()))
    },
  )
  return configuration
}

// Package scripts are never run, so what only serves them isn't needed, unless it is asked for by name.
const unneeded = new RegExp(
  `^(${[
    'adduser|passwd|debconf|cdebconf|dpkg|tar|base-passwd|install-info|usrmerge|libdebconfclient.*',
    'perl.*|libperl.*|lib.*-perl|libdb5.*|libgdbm.*',
    'systemd|libsystemd-shared|lsb-base|sysvinit-utils|init-system-helpers|login|login\\.defs|libudev.*',
    'libpam.*|libsemanage.*|libsepol.*|libaudit.*|libcap-ng.*|libc-gconv-modules-extra|openssl-provider-legacy',
    'procps|libproc2.*|ncurses.*|libncurses.*|util-linux|mount|libmount.*|libblkid.*|libsmartcols.*|libfdisk.*|libuuid.*',
  ].join('|')})$`,
)

const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Downloads packages of a suite with all that they depend on, and gives the paths of the archives. */
export async function downloadPackages(wanted: DebianPackages, log: Log, signal: AbortSignal): Promise<string[]> {
  const { suite, packages } = wanted
  const configuration = await privateApt(wanted, log, signal)
  const env = { APT_CONFIG: configuration, LC_ALL: 'C' }
  const planned = await runCommand('apt-get', ['install', '--simulate', '--no-install-recommends', ...packages], {
    env,
    signal,
  })
  const needed = [...planned.matchAll(/^Inst (\S+) \((\S+) /gm)].flatMap(([, name = '', version = '']) =>
    unneeded.test(name) && !packages.includes(name) ? [] : [{ name, version }],
  )
  const folder = join(folderOf(wanted), 'archives')
  await mkdir(folder, { recursive: true })
  const fileOf = (name: string, version: string): RegExp =>
    new RegExp(`^${literal(name)}_${literal(version.replaceAll(':', '%3a'))}_[a-z0-9]+\\.deb$`, 'i')
  const present = await readdir(folder)
  const missing = needed.filter(({ name, version }) => !present.some((file) => fileOf(name, version).test(file)))
  if (missing.length > 0) {
    await runCommand('apt-get', ['download', ...missing.map(({ name, version }) => `${name}=${version}`)], {
      cwd: folder,
      env,
      deadline: 5 * 60_000,
      signal,
    })
  }
  const files = await readdir(folder)
  return needed.map(({ name, version }) => {
    const file = files.find((candidate) => fileOf(name, version).test(candidate))
    if (file === undefined)
      throw new Error(`Debian ${suite} did not give ${name} ${version}. Remedy: remove ${folder} and try again`)
    return join(folder, file)
  })
}
