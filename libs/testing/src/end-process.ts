import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Whether a process that was started has ended. */
export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

/**
 * Sends a signal to a process that was started, and waits until it has ended.
 *
 * @param child nothing happens to one that has ended
 */
export async function endProcess(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}
