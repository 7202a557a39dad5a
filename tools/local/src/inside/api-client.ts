import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { addresses } from './inside-config.ts'

/** The few fields of Kubernetes objects that the platform looks at. */
export type KubernetesObject = {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid?: string
    readonly annotations?: Readonly<Record<string, string>>
    readonly deletionTimestamp?: string
  }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
}

/** Speaks with the platform's own API server. */
export class ApiClient {
  readonly #ca: Buffer
  readonly #token: string

  constructor(caFile: string, token: string) {
    this.#ca = readFileSync(caFile)
    this.#token = token
  }

  /** Sends one request, for at most ten seconds; throws unless it was a success. */
  send(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<string> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: addresses.controlPlane,
          port: 6443,
          method,
          path,
          ca: this.#ca,
          signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
          headers: {
            authorization: `Bearer ${this.#token}`,
            'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
            ...(text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }),
          },
        },
        (response) => {
          let answer = ''
          response.setEncoding('utf8')
          response.on('data', (part: string) => (answer += part))
          response.on('error', reject)
          response.on('end', () => {
            const status = response.statusCode ?? 0
            if (status >= 200 && status < 300) resolve(answer)
            else reject(new Error(`${method} ${path}: ${status} ${answer.slice(0, 300)}`))
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(text)
    })
  }

  /** Lists objects. */
  async list(path: string, signal: AbortSignal): Promise<readonly KubernetesObject[]> {
    return (JSON.parse(await this.send('GET', path, signal)) as { items: readonly KubernetesObject[] }).items
  }
}
