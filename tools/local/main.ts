import { ensureToolchain, type ToolchainPart } from './src/toolchain.ts'

const [command = 'help', ...rest] = process.argv.slice(2)
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(`ended by ${name}`)))
const log = (line: string): void => void process.stderr.write(`${line}\n`)

const commands: Readonly<Record<string, () => Promise<void>>> = {
  ensure: async () => {
    await ensureToolchain(rest as ToolchainPart[], log, stop.signal)
  },
}

try {
  const run = commands[command]
  if (run === undefined) throw new Error(`usage: node tools/local/main.ts ${Object.keys(commands).join('|')}`)
  await run()
} catch (error) {
  log(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
