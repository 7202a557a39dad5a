import { parseArgs } from 'node:util'
import { runDoctor } from './src/doctor.ts'
import { ensureImages } from './src/images.ts'
import { startPlatform, stopPlatform } from './src/platform.ts'
import { completeToolchain, ensureToolchain, type ToolchainPart } from './src/toolchain.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', default: 'local' }, foreground: { type: 'boolean', default: false } },
})
const [command = 'help', ...parts] = positionals
const stop = new AbortController()
const stopped = new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => stop.abort(new Error(`ended by ${name}`)))
// Whoever reads may have read enough.
process.stdout.on('error', () => process.exit(0))
const log = (line: string): void => void process.stderr.write(`${line}\n`)

async function up(): Promise<void> {
  const start = Date.now()
  const platform = await startPlatform({ name: values.name, signal: stop.signal, log, detached: !values.foreground })
  log(`platform ${platform.name} is up (${((Date.now() - start) / 1000).toFixed(1)} s)`)
  process.stdout.write(`export KUBECONFIG=${platform.kubeconfig}\n# kubectl: ${platform.kubectlPath}\n`)
  if (!values.foreground) return
  const alive = setInterval(() => undefined, 60_000)
  await stopped
  clearInterval(alive)
  await platform.stop()
}

const commands: Readonly<Record<string, () => Promise<void>>> = {
  ensure: async () => void (await ensureToolchain(parts as ToolchainPart[], log, stop.signal)),
  up,
  down: async () => {
    const ended = await stopPlatform(values.name)
    log(ended ? `platform ${values.name} is gone` : `no platform named ${values.name} runs`)
  },
  images: async () => {
    const tools = completeToolchain(await ensureToolchain([], log, stop.signal))
    for (const { name, file } of await ensureImages(tools, log, stop.signal)) process.stdout.write(`${name} ${file}\n`)
  },
  doctor: async () => {
    if (!(await runDoctor((line) => void process.stdout.write(`${line}\n`)))) process.exitCode = 1
  },
}

try {
  const run = commands[command]
  if (run === undefined)
    throw new Error(`usage: node tools/local/main.ts ${Object.keys(commands).join('|')} [--name NAME] [--foreground]`)
  await run()
} catch (error) {
  log(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
