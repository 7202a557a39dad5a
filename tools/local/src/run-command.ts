import { spawn } from 'node:child_process'

/** How a command is run. Every command has a deadline. */
export type RunOptions = {
  readonly signal?: AbortSignal
  /** Milliseconds until it is killed; a minute when not given. */
  readonly deadline?: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
  /** Called with each line of the error stream, for progress. */
  readonly onLine?: (line: string) => void
}

/** A command that could not be run or did not end with 0. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly code: number | null
  readonly stderr: string
  readonly stdout: string

  constructor(command: string, code: number | null, stdout: string, stderr: string, reason = '') {
    const last = stderr.trim().split('\n').slice(-6).join('\n')
    super(`${command}: ${reason === '' ? `ended with ${String(code)}` : reason}${last === '' ? '' : `\n${last}`}`)
    this.code = code
    this.stdout = stdout
    this.stderr = stderr
  }
}

/** Runs a command to its end and gives what it printed; throws {@link CommandFailure} when it does not end with 0. */
export function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const deadline = AbortSignal.timeout(options.deadline ?? 60_000)
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    let partial = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-65_536)
      if (options.onLine === undefined) return
      const lines = (partial + text).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) options.onLine(line)
    })
    const shown = `${command} ${args.slice(0, 4).join(' ')}`
    child.on('error', (error) => {
      const reason = deadline.aborted ? `not ended after ${String(options.deadline ?? 60_000)} ms` : error.message
      reject(new CommandFailure(shown, null, stdout, stderr, reason))
    })
    child.on('close', (code) => {
      if (code === 0) resolve(stdout)
      else reject(new CommandFailure(shown, code, stdout, stderr))
    })
    // A command that ends without reading its input is judged by its exit code, not by the broken pipe.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input)
  })
}
