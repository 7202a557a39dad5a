import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes into an image's root folder the names of root and of one more user with a group of the same id, and a `/tmp`. */
export async function writeUsers(root: string, user: string, id: number): Promise<void> {
  await mkdir(join(root, 'etc'), { recursive: true })
  await writeFile(join(root, 'etc/passwd'), `root:x:0:0:root:/root:/bin/sh\n${user}:x:${id}:${id}::/:/bin/sh\n`)
  await writeFile(join(root, 'etc/group'), `root:x:0:\n${user}:x:${id}:\n`)
  await mkdir(join(root, 'tmp'), { recursive: true })
  await chmod(join(root, 'tmp'), 0o1777)
}
