import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { checkEndpoint } from './endpoint.ts'
import { folderOf } from './object-key.ts'
import { BUSY_MS } from './retries.ts'

/** A container of Azure Blob Storage. */
export type AzureOptions = {
  readonly account: string
  readonly container: string
  /**
   * Of the account's blobs, where it is not Azure's public cloud: for example `https://ACCOUNT.blob.core.chinacloudapi.cn`.
   * With `http://` a token goes over the network in clear, with each request; a key of the account never does.
   */
  readonly endpoint?: string
  /** What all keys begin with; a folder, with or without its last slash. */
  readonly prefix?: string
  readonly credentials: AzureCredentials
  readonly maxBytesPerSecond?: number
  /** How long nothing may move before a try counts as failed, in milliseconds; 30,000 when not said. */
  readonly stallMs?: number
  /** How often a request is tried, the first time included; 4 when not said. */
  readonly tries?: number
  /** For how long a server that is busy is asked again, in milliseconds; 60,000 when not said. */
  readonly busyMs?: number
  /** Bytes of a block, 16 MiB when not said. Two are in memory. */
  readonly blockBytes?: number
}

/** A key of the account, or a token with some of its rights (SAS). */
export type AzureCredentials = { readonly accountKey: string } | { readonly sasToken: string }

/** How a container is reached. */
export type AzureConnection = {
  readonly account: string
  /** The address of the container. */
  readonly url: string
  /** Its connections. */
  readonly agent: Agent
  /** What requests are signed with; null where they carry a token. */
  readonly key: Buffer | null
  /** Parameters of each request, empty where there is a key. */
  readonly token: string
  /** Empty, or with its last slash. */
  readonly prefix: string
  readonly stallMs: number
  readonly tries: number
  readonly busyMs: number
  readonly blockBytes: number
  readonly description: string
  /** What no message may hold. */
  readonly secrets: readonly string[]
}

/** Connects to nothing. Throws a StorageError for what can't be an endpoint. */
export function connectAzure(options: AzureOptions): AzureConnection {
  const { account, container, credentials, stallMs = 30_000, tries = 4, busyMs = BUSY_MS } = options
  const { blockBytes = 16 * 1024 * 1024 } = options
  const endpoint = checkEndpoint(options.endpoint ?? `https://${account}.blob.core.windows.net`)
  const key = 'accountKey' in credentials ? credentials.accountKey.trim() : null
  const token = 'sasToken' in credentials ? credentials.sasToken.trim().replace(/^\?/, '') : ''
  const prefix = folderOf(options.prefix)
  return {
    account,
    url: `${endpoint}/${container}`,
    agent: endpoint.startsWith('https:') ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true }),
    key: key === null ? null : Buffer.from(key, 'base64'),
    token,
    prefix,
    stallMs,
    tries,
    busyMs,
    blockBytes,
    description: `azure://${account}/${container}/${prefix}${options.endpoint === undefined ? '' : ` at ${endpoint}`}`,
    secrets: key === null ? [token, ...signaturesOf(token)] : [key],
  }
}

/** What makes a token one: as it is, and as it is sent. */
const signaturesOf = (token: string): readonly string[] => {
  const signature = new URLSearchParams(token).get('sig') ?? ''
  return signature === '' ? [] : [signature, encodeURIComponent(signature)]
}
