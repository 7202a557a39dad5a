import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** One listener for all of them: tests start dozens. */
const living = new Set<ChildProcess>()

/**
 * Starts a program that ends with this process, however that ends: SIGKILL leaves no chance to clear up, so the kernel is
 * told. It is the thread that counts, so tests run in processes, not in threads. Where setpriv is missing, the end of
 * this process in order has to do.
 */
export function spawnBound(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const setpriv = (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => join(folder, 'setpriv'))
    .find((file) => existsSync(file))
  const child =
    setpriv === undefined
      ? spawn(program, args, options)
      : spawn(setpriv, ['--pdeathsig', 'KILL', '--', program, ...args], options)
  if (living.size === 0) process.on('exit', killAll)
  living.add(child)
  child.once('exit', () => {
    living.delete(child)
    if (living.size === 0) process.off('exit', killAll)
  })
  return child
}

function killAll(): void {
  for (const child of living) child.kill('SIGKILL')
}
