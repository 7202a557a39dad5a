import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectSecure, type ConnectionOptions } from 'node:tls'

/** How a server is trusted that speaks TLS, and what it is shown. */
export type ServerTls = {
  /** The certificates that it is trusted by, in PEM; absent: those that everybody trusts. */
  readonly ca?: string
  /** What it is shown, in PEM; absent: nothing. */
  readonly certificate?: { readonly chain: string; readonly key: string }
  /** The name that its certificate must bear; absent: the host that was dialled. */
  readonly serverName?: string
}

/** The same in the words of Node. */
export function tlsOptions({ ca, certificate, serverName }: ServerTls): ConnectionOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

/** Dials a server; with TLS, `secureConnect` says that it is trusted, as `connect` says that it is there without. */
export function dial(target: { readonly host: string; readonly port: number; readonly tls?: ServerTls }): {
  readonly socket: Socket
  readonly opened: 'connect' | 'secureConnect'
} {
  const { host, port, tls } = target
  if (tls === undefined) return { socket: connectPlain({ host, port, noDelay: true }), opened: 'connect' }
  return { socket: connectSecure({ host, port, ...tlsOptions(tls) }).setNoDelay(true), opened: 'secureConnect' }
}

/** What keeps two ends from trusting each other, in the words of Node and OpenSSL. */
const DISTRUST = /certificate|self-signed|altnames|CERT_|SSL routines|ERR_SSL|EPROTO/i

/** Why TLS did not come about, in a sentence; null where it was something else. */
export function distrustOf(error: Error): string | null {
  const { code = '' } = error as { readonly code?: string }
  // What a server answers has none.
  if (code === '' || !DISTRUST.test(`${code} ${error.message}`)) return null
  if (/certificate.?required|bad.?certificate|handshake.?failure/i.test(error.message))
    return 'the server wants a certificate of whoever connects (tls.certificate)'
  if (/wrong.?version/i.test(error.message)) return 'the server does not speak TLS there'
  return `TLS: ${error.message.trim()}`
}
