import { randomBytes } from 'node:crypto'
import { openS3 } from '@slotkeeper/object-storage'
import { type Platform, s3Image } from '../local/src/index.ts'

/** The name of its pod and Service. */
const NAME = 's3'
const LIST_MS = 20_000

/** The namespace that it is started in. */
export type S3Place = {
  readonly platform: Platform
  readonly namespace: string
  kubectl(...args: readonly string[]): Promise<string>
  apply(object: object): Promise<void>
}

/** An S3 server in a namespace. */
export type S3Server = {
  /** As pods reach it. */
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** What is in the bucket now. */
  keys(): Promise<readonly string[]>
}

/** Starts a real S3 server as a pod, with the bucket `backups`; it goes with the namespace. */
export async function startS3(place: S3Place): Promise<S3Server> {
  const credentials = { accessKeyId: 'admin', secretAccessKey: randomBytes(16).toString('hex') }
  const labels = { app: NAME }
  await place.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: NAME, labels },
    spec: {
      securityContext: { runAsUser: 999, runAsNonRoot: true },
      containers: [
        {
          name: NAME,
          image: s3Image,
          env: [
            { name: 'ROOT_ACCESS_KEY', value: credentials.accessKeyId },
            { name: 'ROOT_SECRET_KEY', value: credentials.secretAccessKey },
          ],
          readinessProbe: { tcpSocket: { port: 7070 }, periodSeconds: 1 },
        },
      ],
    },
  })
  await place.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: NAME },
    spec: { selector: labels, ports: [{ port: 7070 }] },
  })
  await place.kubectl('wait', '--for=condition=Ready', `pod/${NAME}`, '--timeout=60s')
  const keys = async (): Promise<readonly string[]> => {
    const forwarded = await place.platform.forward({ namespace: place.namespace, service: NAME, port: 7070 })
    const endpoint = `http://127.0.0.1:${forwarded.port}`
    const store = openS3({ endpoint, region: 'us-east-1', bucket: 'backups', prefix: '', pathStyle: true, credentials })
    try {
      const found: string[] = []
      const limits = { signal: AbortSignal.timeout(LIST_MS), deadlineMs: LIST_MS }
      for await (const { key } of store.list('', limits)) found.push(key)
      return found
    } finally {
      store.close()
      await forwarded.close()
    }
  }
  return { endpoint: `http://${NAME}.${place.namespace}:7070`, credentials, keys }
}
