import { KubeConfig } from '@kubernetes/client-node'

/** What a connection needs: the server, TLS options and request headers. */
export type Credentials = {
  readonly url: string
  readonly tls: {
    readonly ca?: string | Buffer
    readonly cert?: string | Buffer
    readonly key?: string | Buffer
    readonly rejectUnauthorized?: boolean
    readonly servername?: string
  }
  readonly headers: Readonly<Record<string, string>>
}

/** Credentials that stay fresh: token files, certificates and exec plugins are asked again. */
export type CredentialSource = {
  /** Namespace of the context, or of the pod that we run in. */
  readonly namespace: string
  current(): Promise<Credentials>
  /** The server refused them: read everything again before the next call. */
  refused(): void
}

const FRESH_FOR_MS = 30_000

type HttpsOptions = Parameters<KubeConfig['applyToHTTPSOptions']>[0]

/** Reads a kubeconfig file, or what `kubectl` would read, or the service account of the pod we run in. */
export function credentialSource(kubeconfigPath?: string): CredentialSource {
  let config = loadConfig(kubeconfigPath)
  let known: { readonly at: number; readonly credentials: Promise<Credentials> } | undefined
  return {
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    current() {
      const now = performance.now()
      if (known === undefined || now - known.at > FRESH_FOR_MS) {
        const credentials = readCredentials(config)
        known = { at: now, credentials }
        // A failed plugin is asked again by the next call, not in half a minute.
        credentials.catch(() => (known = undefined))
      }
      return known.credentials
    },
    refused() {
      config = loadConfig(kubeconfigPath)
      known = undefined
    },
  }
}

function loadConfig(kubeconfigPath?: string): KubeConfig {
  const config = new KubeConfig()
  if (kubeconfigPath === undefined) config.loadFromDefault()
  else config.loadFromFile(kubeconfigPath)
  return config
}

async function readCredentials(config: KubeConfig): Promise<Credentials> {
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new Error('the kubeconfig has no current cluster')
  const options: HttpsOptions = {}
  await config.applyToHTTPSOptions(options)
  const { ca, cert, key, rejectUnauthorized, servername } = options as Credentials['tls']
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    ...(servername !== undefined && { servername }),
  }
  return { url: cluster.server.replace(/\/+$/, ''), tls, headers: plainHeaders(options.headers) }
}

function plainHeaders(headers: unknown): Record<string, string> {
  const entries = Object.entries(headers ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return Object.fromEntries(entries.map(([name, value]) => [name, value.trim()]))
}
