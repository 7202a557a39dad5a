import { createHmac } from 'node:crypto'

/** Headers that are signed by their values alone, in this order; the protocol leaves the first three empty here. */
const SIGNED = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const

/** A request as it is signed: its headers have names of small letters. */
export type SignedRequest = {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

/** The value of `authorization` by which the Blob Storage of Azure knows that a request is of who has the key of the account. */
export function azureAuthorization(account: string, key: Buffer, { method, url, headers }: SignedRequest): string {
  const values = SIGNED.map((name) => {
    const value = headers[name] ?? ''
    return name === 'content-length' && value === '0' ? '' : value
  })
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-ms-'))
    .map(([name, value]) => `${name}:${value}`)
  const parameters = Array.from(url.searchParams, ([name, value]) => `${name}:${value}`)
  const lines = [method, ...values, ...own.toSorted(), `/${account}${url.pathname}`, ...parameters.toSorted()]
  return `SharedKey ${account}:${createHmac('sha256', key).update(lines.join('\n')).digest('base64')}`
}
