import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { keeperSocket } from './platform-record.ts'
import { runCommand } from './run-command.ts'

/** Whether a keeper answers for the platform in that state directory. */
export function isKept(state: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(state, keeperSocket))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Removes a state directory. An ordinary user's containers own files by subordinate ids, which only such a namespace may remove. */
export async function removeState(state: string): Promise<void> {
  if (!existsSync(state)) return
  if (process.getuid?.() === 0) await rm(state, { recursive: true, force: true, maxRetries: 3 })
  else await runCommand('unshare', ['-Ur', '--map-auto', 'rm', '-rf', '--', state])
}
