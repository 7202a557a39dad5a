import { join } from 'node:path'
import { addresses } from './inside-config.ts'

/** What the files of a node are made of. */
export type NodeFacts = {
  readonly index: number
  readonly name: string
  readonly folder: string
  readonly graceSeconds: number
  readonly shim: string
  readonly runcWrapper: string
  readonly pauseImage: string
  readonly kubeconfig: string
  readonly resolvConf: string
}

/** The configuration of a containerd. */
export function containerdToml(node: Pick<NodeFacts, 'folder' | 'shim' | 'runcWrapper' | 'pauseImage'>): string {
  const text = JSON.stringify
  const cri = "plugins.'io.containerd.cri.v1.runtime'"
  const disabled = ['nri.v1.nri', 'snapshotter.v1.erofs', 'snapshotter.v1.blockfile', 'differ.v1.erofs']
  return `version = 3
root = ${text(join(node.folder, 'containerd'))}
state = ${text(join(node.folder, 'run'))}
disabled_plugins = ${text(disabled.map((name) => `io.containerd.${name}`))}
[plugins.'io.containerd.server.v1.grpc']
  address = ${text(join(node.folder, 'c.sock'))}
[plugins.'io.containerd.server.v1.ttrpc']
  address = ${text(join(node.folder, 'c.sock.ttrpc'))}
[${cri}]
  disable_apparmor = true
  restrict_oom_score_adj = true
  [${cri}.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = ${text(join(node.folder, 'cni'))}
  [${cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = ${text(node.shim)}
    [${cri}.containerd.runtimes.runc.options]
      BinaryName = ${text(node.runcWrapper)}
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = ${text(node.pauseImage)}
`
}

/** The network of pods: routed, not bridged, so that all traffic between pods passes the node's forward hook. */
export function cniConflist(node: NodeFacts): string {
  const ipam = {
    type: 'host-local',
    dataDir: join(node.folder, 'ipam'),
    ranges: [[{ subnet: addresses.podRange(node.index) }]],
    // Without a default route pods reach only their own node.
    routes: [{ dst: '0.0.0.0/0' }],
  }
  return JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins: [{ type: 'ptp', ipMasq: false, ipam }] })
}

/** The configuration of a kubelet that owns no control groups. */
export function kubeletConfiguration(node: NodeFacts): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    featureGates: { KubeletInUserNamespace: true },
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${join(node.folder, 'c.sock')}`,
    // Only this namespace reaches the kubelet.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    address: addresses.node(node.index),
    healthzBindAddress: '127.0.0.1',
    clusterDNS: [addresses.dns],
    clusterDomain: 'cluster.local',
    resolvConf: node.resolvConf,
    failSwapOn: false,
    // It is renewed four times in that time.
    nodeLeaseDurationSeconds: node.graceSeconds,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    podLogsDir: join(node.folder, 'pod-logs'),
    volumePluginDir: join(node.folder, 'volume-plugins'),
    localStorageCapacityIsolation: false,
    serializeImagePulls: false,
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  })
}

/** The configuration of a kube-proxy that leaves the machine's connection tracking alone. */
export function proxyConfiguration(node: NodeFacts): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: node.kubeconfig },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    hostnameOverride: node.name,
    clusterCIDR: addresses.pods,
  })
}
