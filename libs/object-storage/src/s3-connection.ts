import { Agent } from 'node:https'
import { S3Client } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { connectMs } from './connect-ms.ts'
import { checkEndpoint } from './endpoint.ts'
import { folderOf } from './object-key.ts'
import { BUSY_MS } from './retries.ts'
import { refuseOthers } from './s3-answers.ts'
import { s3Retries } from './s3-retries.ts'

/** A bucket of S3, or of a server that speaks it. */
export type S3Options = {
  readonly bucket: string
  /** Of a server that is not Amazon's, for example `https://s3.example.org`. */
  readonly endpoint?: string
  /** What all keys begin with; a folder, with or without its last slash. */
  readonly prefix?: string
  readonly region?: string
  /** Bucket in the path, not in the host name; true when not said and there is an endpoint. */
  readonly pathStyle?: boolean
  /** What the environment gives (roles of the pod or machine, variables, files) when not said. */
  readonly credentials?: S3Credentials
  /** Certificates in PEM to trust instead of the system's. */
  readonly ca?: string
  /** `whenSupported` adds checksums in the way of newer servers; older ones refuse them. */
  readonly checksums?: 'whenRequired' | 'whenSupported'
  readonly maxBytesPerSecond?: number
  /** How long nothing may move before a try counts as failed, in milliseconds; 30,000 when not said. */
  readonly stallMs?: number
  /** How often a request is tried, the first time included; 4 when not said. */
  readonly tries?: number
  /** For how long a server that is busy is asked again, in milliseconds; 60,000 when not said. */
  readonly busyMs?: number
  /** Bytes of a part, 16 MiB when not said; at least 5 MiB with Amazon. Two are in memory. */
  readonly partBytes?: number
}

/** Long-lived or temporary credentials. */
export type S3Credentials = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** The clients of one storage. */
export type S3Connection = {
  readonly client: S3Client
  /** For streams that are read: while their reader takes its time nothing moves, which is no stall. */
  readonly reading: S3Client
  readonly bucket: string
  /** Empty, or with its last slash. */
  readonly prefix: string
  readonly stallMs: number
  readonly tries: number
  readonly partBytes: number
  readonly description: string
  /** What no message may hold. */
  readonly secrets: readonly string[]
}

/** Makes the clients; connects to nothing. Throws a StorageError for what can't be an endpoint. */
export function connectS3(options: S3Options): S3Connection {
  const { bucket, credentials, stallMs = 30_000, tries = 4, busyMs = BUSY_MS } = options
  const { partBytes = 16 * 1024 * 1024 } = options
  const endpoint = options.endpoint === undefined ? undefined : checkEndpoint(options.endpoint)
  const checksums = options.checksums === 'whenSupported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED'
  const clientWith = (limits: Readonly<Record<string, number | boolean>>): S3Client => {
    const client = new S3Client({
      region: options.region ?? 'us-east-1',
      forcePathStyle: options.pathStyle ?? endpoint !== undefined,
      maxAttempts: tries,
      retryStrategy: s3Retries({ tries, busyMs }),
      requestChecksumCalculation: checksums,
      responseChecksumValidation: checksums,
      // Some servers leave the question unanswered, and each part would wait for 6 s.
      expectContinueHeader: false,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
      requestHandler: new NodeHttpHandler({
        connectionTimeout: connectMs(stallMs),
        ...limits,
        ...(options.ca === undefined ? {} : { httpsAgent: new Agent({ keepAlive: true, ca: options.ca }) }),
      }),
    })
    refuseOthers(client)
    return client
  }
  const prefix = folderOf(options.prefix)
  return {
    client: clientWith({ socketTimeout: stallMs }),
    reading: clientWith({ requestTimeout: stallMs, throwOnRequestTimeout: true }),
    bucket,
    prefix,
    stallMs,
    tries,
    partBytes,
    description: `s3://${bucket}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`,
    secrets: [credentials?.secretAccessKey, credentials?.sessionToken, credentials?.accessKeyId].flatMap((secret) =>
      secret === undefined || secret === '' ? [] : [secret],
    ),
  }
}
