import { createHmac, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BUCKET } from './bucket-policy.ts'
import { endProcess } from './end-process.ts'
import { freePorts } from './free-ports.ts'
import { launchServer } from './launch-server.ts'
import { requireTool } from './toolchain.ts'

/** A running Azurite, the Blob Storage of Azure for tests, with one container. */
export type AzureStorage = {
  readonly port: number
  readonly account: string
  readonly accountKey: string
  readonly container: string
  /** Of the account: Azurite has it in the path. */
  readonly endpoint: string
  /** Ends it in order: what it knows it writes down only now and then. What it stored stays. */
  end(): Promise<void>
  /** Starts it again on the same port and directory, after `end`. */
  restart(): Promise<void>
  /** Ends it and removes all that it stored. */
  stop(): Promise<void>
}

const PATIENCE_MS = 60_000

/** Starts Azurite on loopback, and waits until it takes connections. It checks signatures, and tells nobody of its use. */
export async function startAzureStorage(): Promise<AzureStorage> {
  const program = await requireTool('azurite')
  const dir = await mkdtemp(join(tmpdir(), 'slotkeeper-azure-'))
  const [port = 0] = await freePorts(1)
  const account = `tests${randomBytes(4).toString('hex')}`
  const accountKey = randomBytes(64).toString('base64')
  const args = [program, '--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', dir, '--silent']
  // The client may speak a later version of the protocol than it knows by name.
  const flags = ['--skipApiVersionCheck', '--disableTelemetry']
  const env = { ...process.env, AZURITE_ACCOUNTS: `${account}:${accountKey}` }
  const start = () =>
    launchServer([process.execPath, ...args, ...flags], { name: 'Azurite', port, env, patienceMs: PATIENCE_MS })
  let child = await start()
  const place = { account, accountKey, container: BUCKET, endpoint: `http://127.0.0.1:${port}/${account}` }
  await createContainer(place)
  return {
    ...place,
    port,
    end: () => endProcess(child, 'SIGTERM'),
    restart: async () => {
      child = await start()
    },
    stop: async () => {
      await endProcess(child, 'SIGKILL')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** With a signature of the kind SharedKey, for what a test needs before there is a client. */
async function createContainer({
  account,
  accountKey,
  container,
  endpoint,
}: Pick<AzureStorage, 'account' | 'accountKey' | 'container' | 'endpoint'>): Promise<void> {
  const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-12-02' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`)
  // Eleven headers that are not sent lie between.
  const toSign = [
    'PUT',
    ...Array.from({ length: 11 }, () => ''),
    ...lines,
    `/${account}/${account}/${container}`,
    'restype:container',
  ]
  const signature = createHmac('sha256', Buffer.from(accountKey, 'base64')).update(toSign.join('\n')).digest('base64')
  const answer = await fetch(`${endpoint}/${container}?restype=container`, {
    method: 'PUT',
    headers: { ...headers, authorization: `SharedKey ${account}:${signature}` },
    signal: AbortSignal.timeout(10_000),
  })
  if (!answer.ok) throw new Error(`creating the container: ${answer.status} ${await answer.text()}`)
}
