import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { styleText } from 'node:util'
import { installCommand, missingPrograms } from './debian-programs.ts'
import { ownMirror } from './debian-suites.ts'
import { goVersion } from './go-build.ts'
import { runCommand } from './run-command.ts'
import { serverRoots } from './servers.ts'
import type { Log } from './step-log.ts'
import { readToolchain } from './toolchain.ts'

/** One thing that is needed: how to look for it, and what to do when it isn't there. */
type Need = {
  readonly what: string
  readonly remedy: string
  /** Gives what was found, nothing or `true` included; `false` or an error when it is missing. */
  readonly look: () => Promise<string | boolean> | string | boolean
}

/** Says what the platform needs, what is there and what to do about the rest, a line each; gives whether all is well. */
export async function runDoctor(log: Log): Promise<boolean> {
  const all = needs()
  const found = await Promise.all(all.map(async ({ look }) => look()).map((one) => one.catch(() => false)))
  const width = Math.max(...all.map(({ what }) => what.length))
  for (const [index, { what, remedy }] of all.entries()) {
    const seen = found[index] ?? false
    const mark = seen === false ? styleText('red', 'MISSING') : styleText('green', 'ok     ')
    const detail = seen === false ? remedy : seen === true ? '' : styleText('dim', seen)
    log(`${mark}  ${what.padEnd(width)}  ${detail}`.trimEnd())
  }
  return !found.includes(false)
}

function needs(): readonly Need[] {
  const root = process.getuid?.() === 0
  const missing = missingPrograms()
  const flags = [...(root ? [] : ['-Ur']), '-nm', '--mount-proc', '-pf']
  const { username } = userInfo()
  return [
    { what: 'Linux', remedy: 'the platform runs on Linux alone', look: () => process.platform === 'linux' },
    {
      what: 'Node 24',
      remedy: 'npm ci, then make doctor',
      look: () => Number(process.versions.node.split('.')[0]) >= 24 && process.versions.node,
    },
    { what: 'Go 1.26', remedy: 'install Go 1.26 or newer, and put it on PATH', look: () => goVersion() },
    {
      what: 'Debian packages',
      remedy: `${root ? 'make toolchain, or' : 'as root:'} ${installCommand(missing)}`,
      look: () => missing.length === 0,
    },
    {
      what: 'Debian mirror',
      remedy: 'name a Debian mirror with main in the apt sources; Redis and Valkey come from there',
      look: async () => (await ownMirror()) !== '' && existsSync('/usr/share/keyrings/debian-archive-keyring.gpg'),
    },
    {
      what: 'namespaces',
      remedy: 'allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run as root',
      look: async () => (await runCommand('unshare', [...flags, 'echo', 'yes'])).includes('yes'),
    },
    {
      what: 'subordinate ids',
      remedy: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
      look: async () => root || (await runCommand('unshare', ['-Ur', '--map-auto', 'echo', 'yes'])).includes('yes'),
    },
    {
      what: 'toolchain',
      remedy: 'make toolchain; it builds for 8 minutes or more the first time',
      look: async () => {
        const { servers: _, ...built } = await readToolchain()
        return Object.keys(built).length >= 8 && Object.values(built).every((file) => existsSync(file))
      },
    },
    {
      what: 'Redis and Valkey',
      remedy: 'make toolchain',
      look: async () => {
        const { servers } = await readToolchain()
        const versions = Object.entries(servers).filter(([, one]) => existsSync(one.server))
        return versions.length === Object.keys(serverRoots).length && versions.map(([, one]) => one.version).join(', ')
      },
    },
  ]
}
