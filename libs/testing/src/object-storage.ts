import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BUCKET, drawUser, policyOf } from './bucket-policy.ts'
import { endProcess } from './end-process.ts'
import { freePorts } from './free-ports.ts'
import { launchServer } from './launch-server.ts'
import { putSigned, type S3User } from './signed-request.ts'
import { onSmallDisk } from './small-disk.ts'
import { requireTool } from './toolchain.ts'

/** A running S3 server with one bucket. */
export type S3Server = {
  readonly endpoint: string
  readonly port: number
  readonly bucket: string
  /** May everything. */
  readonly admin: S3User
  /** The users that were asked for, by name. */
  readonly users: Readonly<Record<string, S3User>>
  /** It stops where it is, and answers nothing: SIGSTOP. */
  pause(): void
  /** It goes on after `pause`. */
  resume(): void
  /** Ends it as a power cut would: SIGKILL. What it stored stays. */
  kill(): Promise<void>
  /** Starts it again on the same port and directory, after `kill`. */
  restart(): Promise<void>
  /** Ends it and removes all that it stored. */
  stop(): Promise<void>
}

/** A running versitygw. */
export type ObjectStorage = S3Server & {
  /** All that it has written, its users as well. */
  readonly dir: string
  /** Where it keeps the bucket: each file is an object. Hidden where it has a disk of its own. */
  readonly bucketFolder: string
}

/** How the server is to be. */
export type ObjectStorageOptions = {
  /** Users by name, each with what it may do in the bucket, for example `s3:PutObject`. */
  readonly users?: Readonly<Record<string, readonly string[]>>
  /** A disk of so many bytes. */
  readonly diskBytes?: number
}

const PATIENCE_MS = 15_000

/** Starts a real S3 server on loopback, and waits until it takes connections and has its bucket. */
export async function startObjectStorage(options: ObjectStorageOptions = {}): Promise<ObjectStorage> {
  const program = await requireTool('versitygw')
  const dir = await mkdtemp(join(tmpdir(), 'slotkeeper-s3-'))
  const disk = join(dir, 'disk')
  await Promise.all(['disk', 'iam'].map((name) => mkdir(join(dir, name))))
  const [port = 0] = await freePorts(1)
  const admin = drawUser('admin')
  const users = Object.fromEntries(Object.keys(options.users ?? {}).map((name) => [name, drawUser(name)]))
  await writeFile(join(dir, 'iam', 'users.json'), usersFile(Object.values(users)))
  const server = ['--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', '--iam-dir', join(dir, 'iam')]
  const command = [program, ...server, 'posix', '--sidecar', join(disk, 'meta'), join(disk, 'data')]
  const made = ['sh', '-c', `mkdir -p "$0/meta" "$0/data" && exec "$@"`, disk, ...command]
  const line = options.diskBytes === undefined ? made : onSmallDisk(disk, options.diskBytes, made)
  const env = { ...process.env, ROOT_ACCESS_KEY: admin.accessKeyId, ROOT_SECRET_KEY: admin.secretAccessKey }
  const start = () => launchServer(line, { name: 'versitygw', port, env, patienceMs: PATIENCE_MS })
  let child = await start()
  const endpoint = `http://127.0.0.1:${port}`
  await putSigned(new URL(`${endpoint}/${BUCKET}`), admin)
  if (options.users !== undefined)
    await putSigned(
      new URL(`${endpoint}/${BUCKET}?policy`),
      admin,
      policyOf(options.users, (name) => users[name]?.accessKeyId ?? ''),
    )
  return {
    endpoint,
    port,
    bucket: BUCKET,
    dir,
    bucketFolder: join(disk, 'data', BUCKET),
    admin,
    users,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill: () => endProcess(child, 'SIGKILL'),
    restart: async () => {
      child = await start()
    },
    stop: async () => {
      await endProcess(child, 'SIGKILL')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function usersFile(users: readonly S3User[]): string {
  const accounts = users.map(({ accessKeyId, secretAccessKey }) => [
    accessKeyId,
    { access: accessKeyId, secret: secretAccessKey, role: 'user', userID: 0, groupID: 0, projectID: 0 },
  ])
  return JSON.stringify({ accessAccounts: Object.fromEntries(accounts) })
}
