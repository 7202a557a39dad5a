import { createHash, createHmac } from 'node:crypto'

/** A user of an S3 server. */
export type S3User = { readonly accessKeyId: string; readonly secretAccessKey: string }

const REGION = 'us-east-1'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/**
 * A PUT to an S3 server with signature version 4, for what a test needs before there is a client.
 *
 * @param url with a path of letters, and at most one parameter without a value
 * @throws Error with what the server said, when it did not do it
 */
export async function putSigned(url: URL, user: S3User, body = ''): Promise<void> {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${REGION}/s3/aws4_request`
  const headers = { host: url.host, 'x-amz-content-sha256': sha256(body), 'x-amz-date': time }
  const names = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const query = url.search === '' ? '' : `${url.search.slice(1)}=`
  const canonical = ['PUT', url.pathname, query, lines.join(''), names, sha256(body)].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${user.secretAccessKey}`)
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  const credential = `${user.accessKeyId}/${scope}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`
  const { host: _host, ...sent } = headers
  const signal = AbortSignal.timeout(10_000)
  const answer = await fetch(url, { method: 'PUT', body, headers: { ...sent, authorization }, signal })
  if (!answer.ok) throw new Error(`PUT ${url.pathname}${url.search}: ${answer.status} ${await answer.text()}`)
}
