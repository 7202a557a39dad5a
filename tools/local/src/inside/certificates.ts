import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../run-command.ts'
import { addresses } from './inside-config.ts'

/** Files of the platform's own certificate authority. */
export type Certificates = {
  readonly ca: string
  readonly caKey: string
  readonly server: string
  readonly serverKey: string
  readonly serviceAccountKey: string
}

/** Makes a certificate authority, the API server's certificate and the key that signs service account tokens. */
export async function makeCertificates(folder: string, signal: AbortSignal): Promise<Certificates> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): Promise<string> => runCommand('openssl', args, { signal, deadline: 20_000 })
  const key = (name: string): Promise<string> =>
    openssl('ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', file(name))
  await Promise.all([key('ca.key'), key('server.key'), key('service-account.key')])
  const names = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
  ]
  const ips = ['127.0.0.1', addresses.controlPlane, '10.96.0.1']
  const alternatives = [...names.map((name) => `DNS:${name}`), ...ips.map((ip) => `IP:${ip}`)].join(',')
  await writeFile(file('server.ext'), `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\n`)
  await openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    file('ca.key'),
    '-subj',
    '/CN=slotkeeper local platform',
    '-days',
    '3650',
    '-out',
    file('ca.crt'),
  )
  await openssl('req', '-new', '-key', file('server.key'), '-subj', '/CN=kube-apiserver', '-out', file('server.csr'))
  const issuer = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '3650']
  await openssl(
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    ...issuer,
    '-extfile',
    file('server.ext'),
    '-out',
    file('server.crt'),
  )
  return {
    ca: file('ca.crt'),
    caKey: file('ca.key'),
    server: file('server.crt'),
    serverKey: file('server.key'),
    serviceAccountKey: file('service-account.key'),
  }
}
