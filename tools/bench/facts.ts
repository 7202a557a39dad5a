import { cpus, loadavg, release, totalmem } from 'node:os'
import { readToolchain, requireTool } from '@slotkeeper/testing'
import { runCommand } from '../local/src/run-command.ts'

/** On what and with what the figures were taken. */
export type Facts = {
  /** Day of the run, ISO 8601. */
  readonly date: string
  /** Name and value, in the order of the page. */
  readonly machine: readonly (readonly [string, string])[]
  readonly versions: readonly (readonly [string, string])[]
  /** Something else was at work on the machine when the run began. */
  readonly busy: boolean
}

/** Reads the facts of this machine and of the programs that the bench runs. */
export async function factsOf(signal: AbortSignal): Promise<Facts> {
  const toolchain = await readToolchain()
  const processors = cpus()
  const say = async (program: string, ...args: string[]): Promise<string> =>
    (await runCommand(program, args, { signal, deadline: 20_000 })).trim()
  const client = JSON.parse(await say(await requireTool('kube'), 'kubectl', 'version', '--client', '-o', 'json')) as {
    readonly clientVersion: { readonly gitVersion: string }
  }
  const nats = await say(await requireTool('natsServer'), '--version')
  const servers = Object.entries(toolchain.servers).map(([name, { version: full }]) => `${name.split('-')[0]} ${full}`)
  return {
    busy: (loadavg()[0] ?? 0) > processors.length / 2,
    date: new Date().toISOString().slice(0, 10),
    machine: [
      ['processor', `${processors.length} x ${processors[0]?.model ?? 'unknown'}`],
      ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
      ['kernel', release()],
      [
        'load before the run',
        loadavg()
          .map((one) => one.toFixed(2))
          .join(', '),
      ],
    ],
    versions: [
      ['Kubernetes', client.clientVersion.gitVersion],
      ['servers', servers.join(', ')],
      ['NATS', nats.replace(/^.*v(?=\d)/, '')],
      ['Node.js', process.version],
    ],
  }
}
