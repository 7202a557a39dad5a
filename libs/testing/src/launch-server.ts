import type { ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { endProcess, hasEnded } from './end-process.ts'
import { spawnBound } from './spawn-bound.ts'
import { takesConnections } from './takes-connections.ts'

/** When a server is whole: it takes connections on its port, and its log says so where that is asked. */
export type Launch = {
  /** For errors. */
  readonly name: string
  readonly port: number
  readonly env?: NodeJS.ProcessEnv
  readonly says?: string
  /** How long it may take, in milliseconds. */
  readonly patienceMs: number
}

/**
 * Starts a server that ends with this process, and waits until it is whole.
 *
 * @throws Error with the end of its log, when it ends or is not whole in time; then it does not run
 */
export async function launchServer(
  line: readonly string[],
  { name, port, env, says = '', patienceMs }: Launch,
): Promise<ChildProcess> {
  const [program = '', ...args] = line
  const child = spawnBound(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(env === undefined ? {} : { env }),
  })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log = `${log}${chunk.toString()}`.slice(-4_000)))
  for (const deadline = Date.now() + patienceMs; ;) {
    if (hasEnded(child)) throw new Error(`${name} ended: ${log}`)
    if (log.includes(says) && (await takesConnections(port))) return child
    if (Date.now() > deadline) {
      await endProcess(child, 'SIGKILL')
      throw new Error(`${name} did not start in ${patienceMs / 1000} s: ${log}`)
    }
    await delay(20)
  }
}
