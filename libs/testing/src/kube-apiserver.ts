import type { ChildProcess } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endProcess, hasEnded } from './end-process.ts'
import { freePorts } from './free-ports.ts'
import { spawnBound } from './spawn-bound.ts'
import { requireTool } from './toolchain.ts'

/** A real API server over a real etcd, without a kubelet. */
export type KubeApiServer = {
  /** Path of a kubeconfig of a cluster administrator. */
  readonly kubeconfig: string
  readonly url: string
  /** The administrator's bearer token, for a proxy that speaks for itself. */
  readonly token: string
  /** Its etcd, without TLS. */
  readonly etcd: string
  stop(): Promise<void>
}

const READY_WITHIN_MS = 60_000

/** Starts etcd and kube-apiserver on free loopback ports in a directory of their own; `signal` stops them too. */
export async function startKubeApiServer(options: { readonly signal?: AbortSignal } = {}): Promise<KubeApiServer> {
  options.signal?.throwIfAborted()
  const kube = await requireTool('kube')
  const home = await mkdtemp(join(tmpdir(), 'slotkeeper-kube-'))
  const children: ChildProcess[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => endProcess(child, 'SIGKILL')))
    await rm(home, { recursive: true, force: true })
  }
  options.signal?.addEventListener('abort', () => void stop(), { once: true })
  try {
    return { ...(await launch(kube, home, children)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function launch(kube: string, home: string, children: ChildProcess[]): Promise<Omit<KubeApiServer, 'stop'>> {
  const [client = 0, peer = 0, secure = 0] = await freePorts(3)
  const certificates = join(home, 'certs')
  const token = randomBytes(16).toString('hex')
  await mkdir(certificates)
  await writeServiceAccountKeys(certificates)
  await writeFile(join(certificates, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 })
  children.push(start(kube, home, 'etcd', etcdFlags(home, client, peer)))
  children.push(start(kube, home, 'kube-apiserver', apiServerFlags(certificates, client, secure)))
  const url = `https://127.0.0.1:${secure}`
  await untilReady(url, token, home, children)
  const ca = await readFile(join(certificates, 'apiserver.crt'))
  const kubeconfig = join(home, 'kubeconfig')
  await writeFile(kubeconfig, kubeconfigOf(url, token, ca), { mode: 0o600 })
  return { kubeconfig, url, token, etcd: `http://127.0.0.1:${client}` }
}

function etcdFlags(home: string, client: number, peer: number): string[] {
  const [clients, peers] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`]
  return [
    `--data-dir=${join(home, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=default=${peers}`,
  ]
}

function apiServerFlags(certificates: string, etcd: number, secure: number): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    `--secure-port=${secure}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--cert-dir=${certificates}`,
    `--service-account-key-file=${join(certificates, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(certificates, 'sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=RBAC',
    `--token-auth-file=${join(certificates, 'tokens.csv')}`,
    // No controller manager runs, so nobody would create the default service accounts that this plugin waits for.
    '--disable-admission-plugins=ServiceAccount',
  ]
}

async function writeServiceAccountKeys(directory: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  await writeFile(join(directory, 'sa.pub'), publicKey)
  await writeFile(join(directory, 'sa.key'), privateKey, { mode: 0o600 })
}

/** A kubeconfig is YAML, and JSON is YAML. */
function kubeconfigOf(server: string, token: string, ca: Buffer): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': ca.toString('base64') } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin', namespace: 'default' } }],
    'current-context': 'test',
  })
}

function start(kube: string, home: string, program: string, flags: string[]): ChildProcess {
  const log = createWriteStream(join(home, `${program}.log`))
  const child = spawnBound(kube, [program, ...flags], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
  child.on('error', (error) => log.write(`${error}\n`))
  child.stdout?.pipe(log)
  child.stderr?.pipe(log)
  return child
}

async function untilReady(url: string, token: string, home: string, children: readonly ChildProcess[]): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await answersOk(`${url}/readyz`, token))) {
    if (children.some(hasEnded) || Date.now() > deadline)
      throw new Error(`kube-apiserver is not ready\n${await tail(home)}`)
    await sleep(50)
  }
}

function answersOk(url: string, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    // Its certificate does not exist before it started: nothing to verify it by yet.
    const options = { rejectUnauthorized: false, headers: { authorization: `Bearer ${token}` }, timeout: 2_000 }
    const call = request(url, options, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    call.on('error', () => resolve(false))
    call.on('timeout', () => call.destroy(new Error('timeout')))
    call.end()
  })
}

async function tail(home: string): Promise<string> {
  const texts = await Promise.all(
    ['etcd', 'kube-apiserver'].map(async (program) => {
      const text = await readFile(join(home, `${program}.log`), 'utf8').catch(() => '')
      return `--- ${program}\n${text.split('\n').slice(-15).join('\n')}`
    }),
  )
  return texts.join('\n')
}
