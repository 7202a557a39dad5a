export { ask, nodeAt } from './ask.ts'
export { connectServer, type Dial, type ServerAddress } from './connect-server.ts'
export { hasEnded } from './end-process.ts'
export { ENGINES } from './engines.ts'
export {
  type CallFault,
  type FaultyProxy,
  kubeconfigOf,
  type SeenCall,
  startFaultyProxy,
  type WatchFault,
} from './faulty-proxy.ts'
export { type FaultyStorage, type RequestFault, type SeenRequest, startFaultyStorage } from './faulty-storage.ts'
export { fillEtcd } from './fill-etcd.ts'
export { type KubeApiServer, startKubeApiServer } from './kube-apiserver.ts'
export {
  type Entry,
  type EntryKind,
  type LedgerWriter,
  type Outcome,
  type ReadBack,
  startLedgerWriter,
} from './ledger-writer.ts'
export { type Ask, fillServer } from './fill-server.ts'
export * from './form-cluster.ts'
export { grant, kubectl, makeLimitedUser } from './limited-user.ts'
export { type AgedNats, startAgedNats } from './aged-nats.ts'
export { type NatsCluster, startNatsCluster } from './nats-cluster.ts'
export { type NatsServer, type NatsServerOptions, startNatsServer } from './nats-server.ts'
export { type AzureStorage, startAzureStorage } from './azure-storage.ts'
export { startCephStorage } from './ceph-storage.ts'
export { type ObjectStorage, type ObjectStorageOptions, type S3Server, startObjectStorage } from './object-storage.ts'
export { PlayedCluster, type PlayedController } from './played-cluster.ts'
export { type RedisConfig, type RedisServer, startRedisServer } from './redis-server.ts'
export {
  readToolchain,
  requireImageRoot,
  requireTool,
  type ServerTools,
  type Toolchain,
  toolchainFile,
} from './toolchain.ts'
export {
  connectCluster,
  type RecordingWriter,
  startWriter,
  type WriteRecord,
  type WriterOptions,
} from './recording-writer.ts'
export type { S3User } from './signed-request.ts'
export { onSmallDisk } from './small-disk.ts'
export { type SelfSigned, selfSigned } from './self-signed.ts'
export { spawnBound } from './spawn-bound.ts'
export { librariesOf, valueOf } from './server-content.ts'
export { freePorts } from './free-ports.ts'
export { takesConnections } from './takes-connections.ts'
export { until } from './until.ts'
