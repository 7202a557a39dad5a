import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { missingPrograms } from './debian-programs.ts'
import { runCommand } from './run-command.ts'
import type { Log } from './step-log.ts'
import { readToolchain } from './toolchain.ts'

type Finding = { readonly good: boolean; readonly text: string }

async function finding(what: string, remedy: string, check: () => Promise<boolean>): Promise<Finding> {
  const good = await check().catch(() => false)
  return { good, text: good ? what : `${what}: no. Remedy: ${remedy}` }
}

/** Says what the platform needs, what is there and what to do about the rest; gives whether all is well. */
export async function runDoctor(log: Log): Promise<boolean> {
  const root = process.getuid?.() === 0
  const missing = [...new Set(missingPrograms().map((program) => program.package))]
  const tools = await readToolchain()
  const built = ['kube', 'containerd', 'shim', 'ctr', 'coredns', 'natsServer', 'pause', 'runcWrapper'] as const
  const flags = root ? ['-nm', '--mount-proc', '-pf'] : ['-Urnm', '--map-auto', '--mount-proc', '-pf']
  const findings = await Promise.all([
    finding('Linux', 'the platform runs on Linux alone', async () => process.platform === 'linux'),
    finding('Go', 'install Go 1.26 or newer', async () =>
      /go1\.(2[6-9]|[3-9]\d)/.test(await runCommand('go', ['version'])),
    ),
    finding(
      'Node 24 or newer',
      'npm ci, then run it by npm',
      async () => Number(process.versions.node.split('.')[0]) >= 24,
    ),
    finding('Debian packages', `as root: apt-get install -y ${missing.join(' ')}`, async () => missing.length === 0),
    finding(
      'namespaces',
      'allow unprivileged user namespaces (kernel.unprivileged_userns_clone=1), or run as root',
      async () => (await runCommand('unshare', [...flags, 'echo', 'yes'])).includes('yes'),
    ),
    finding(
      'subordinate ids',
      `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${userInfo().username}`,
      async () => root || (await readFile('/etc/subuid', 'utf8')).includes(`${userInfo().username}:`),
    ),
    finding('toolchain', 'node tools/local/main.ts ensure', async () =>
      built.every((name) => tools[name] !== undefined),
    ),
    finding(
      'Redis and Valkey',
      'node tools/local/main.ts ensure servers',
      async () => Object.keys(tools.servers).length === 4,
    ),
  ])
  for (const { good, text } of findings) log(`${good ? 'ok     ' : 'MISSING'} ${text}`)
  return findings.every(({ good }) => good)
}
