import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
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
  await removeControlGroups(state)
  if (process.getuid?.() === 0) await rm(state, { recursive: true, force: true, maxRetries: 3 })
  else await runCommand('unshare', ['-Ur', '--map-auto', 'rm', '-rf', '--', state])
}

/** Real root's runc makes a control group per container whatever it is told; those of killed containers are left to us. */
async function removeControlGroups(state: string): Promise<void> {
  const entries = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])
  const hierarchies = (await entries('/sys/fs/cgroup')).map((name) => join('/sys/fs/cgroup', name))
  for (const node of (await entries(state)).filter((name) => /^node\d+$/.test(name))) {
    for (const id of await entries(join(state, node, 'run/io.containerd.runtime.v2.task/k8s.io'))) {
      for (const hierarchy of ['/sys/fs/cgroup', ...hierarchies])
        await rmdir(join(hierarchy, id)).catch(() => undefined)
    }
  }
}
