import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApiClient } from './api-client.ts'
import { makeCertificates, type Certificates } from './certificates.ts'
import { addresses, type InsideConfig } from './inside-config.ts'
import type { ProcessGroup } from './process-group.ts'
import { waitUntil } from './wait-until.ts'

/** A running control plane. */
export type ControlPlane = { readonly api: ApiClient; readonly kubeconfig: string; readonly certificates: Certificates }

/** The text of a kubeconfig; the certificate authority is given by path. */
export function kubeconfigText(server: string, ca: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'slotkeeper-local', cluster: { server, 'certificate-authority': ca } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'slotkeeper-local', context: { cluster: 'slotkeeper-local', user: 'admin' } }],
    'current-context': 'slotkeeper-local',
  })
}

const corefile = (kubeconfig: string): string => `.:53 {
  bind ${addresses.controlPlane}
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
    ttl 5
  }
  cache 5
}
`

/** Starts etcd and the API server, waits until it answers, then the controllers, the scheduler and DNS. */
export async function startControlPlane(
  config: InsideConfig,
  group: ProcessGroup,
  signal: AbortSignal,
): Promise<ControlPlane> {
  const folder = join(config.state, 'control-plane')
  const logs = join(config.state, 'log')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const start = (name: string, args: readonly (readonly string[])[]): void => {
    group.start(name, join(logs, name), config.tools.kube, [name, ...args.flat()], { HOME: folder })
  }
  const peers = 'http://127.0.0.1:2380'
  const clients = 'http://127.0.0.1:2379'
  start('etcd', [
    [
      '--data-dir',
      join(folder, 'etcd'),
      '--unsafe-no-fsync',
      '--listen-client-urls',
      clients,
      '--advertise-client-urls',
      clients,
    ],
    ['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
  ])
  const certificates = await makeCertificates(join(folder, 'certificates'), signal)
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, kubeconfigText(`https://${addresses.controlPlane}:6443`, certificates.ca, config.token), {
    mode: 0o600,
  })
  await writeFile(join(folder, 'tokens.csv'), `${config.token},admin,admin,system:masters\n`, { mode: 0o600 })
  start('kube-apiserver', [
    ['--etcd-servers', clients, '--secure-port', '6443', '--bind-address', addresses.controlPlane],
    ['--advertise-address', addresses.controlPlane, '--cert-dir', folder, '--allow-privileged=true'],
    ['--tls-cert-file', certificates.server, '--tls-private-key-file', certificates.serverKey],
    [
      '--service-account-key-file',
      certificates.serviceAccountKey,
      '--service-account-signing-key-file',
      certificates.serviceAccountKey,
    ],
    ['--service-account-issuer', 'https://kubernetes.default.svc.cluster.local', '--authorization-mode', 'RBAC'],
    ['--token-auth-file', join(folder, 'tokens.csv'), '--service-cluster-ip-range', addresses.services],
    ['--kubelet-preferred-address-types', 'InternalIP'],
  ])
  const api = new ApiClient(certificates.ca, config.token)
  await waitUntil('the API server', 60_000, signal, async () =>
    (await api.send('GET', '/readyz', signal)).startsWith('ok'),
  )
  start('kube-controller-manager', [
    ['--kubeconfig', kubeconfig, '--service-account-private-key-file', certificates.serviceAccountKey],
    ['--use-service-account-credentials=true', '--bind-address', '127.0.0.1', '--leader-elect=false'],
    ['--node-monitor-grace-period', `${config.nodeGraceSeconds}s`],
    [
      '--root-ca-file',
      certificates.ca,
      '--cluster-signing-cert-file',
      certificates.ca,
      '--cluster-signing-key-file',
      certificates.caKey,
    ],
  ])
  start('kube-scheduler', [['--kubeconfig', kubeconfig, '--bind-address', '127.0.0.1', '--leader-elect=false']])
  await writeFile(join(folder, 'Corefile'), corefile(kubeconfig))
  group.start('coredns', join(logs, 'coredns'), config.tools.coredns, ['-conf', join(folder, 'Corefile')])
  return { api, kubeconfig, certificates }
}
