import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'

/** Long-lived processes of the platform, by name. */
export class ProcessGroup {
  readonly #processes = new Map<string, ChildProcess>()
  readonly #onEnd: (line: string) => void

  constructor(onEnd: (line: string) => void) {
    this.#onEnd = onEnd
  }

  /** Starts a process that writes to a log file. It lives until it is stopped or the namespace ends. */
  start(
    name: string,
    logFile: string,
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ChildProcess {
    const output = openSync(logFile, 'a')
    const child = spawn(command, args, { stdio: ['ignore', output, output], env: { ...process.env, ...env } })
    closeSync(output)
    this.#processes.set(name, child)
    child.on('error', (error) => this.#onEnd(`${name} could not be started: ${error.message}`))
    child.on('exit', (code, signal) => {
      if (this.#processes.get(name) !== child) return
      this.#processes.delete(name)
      this.#onEnd(`${name} ended by itself with ${String(code ?? signal)}; its log: ${logFile}`)
    })
    return child
  }

  /** Whether a process of that name runs. */
  has(name: string): boolean {
    return this.#processes.has(name)
  }

  /** Ends a process and waits for that; kills it after five seconds. */
  async stop(name: string): Promise<void> {
    const child = this.#processes.get(name)
    if (child === undefined) return
    this.#processes.delete(name)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000)
    child.kill('SIGTERM')
    await ended
    clearTimeout(impatience)
  }
}
