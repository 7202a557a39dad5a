export { type Backoff, createBackoff } from './backoff.ts'
export { isKubeError, KubeError, type KubeErrorReason } from './errors.ts'
export { type Jump, watchEventLoop } from './event-loop.ts'
export { createElection, type Election, type ElectionEnd, type LeaseOptions, type LeaseWork } from './lease.ts'
export { EPOCH_ANNOTATION } from './lease-store.ts'
export { type JsonMap, mergePatchOf } from './merge-patch.ts'
export type { Change } from './object-cache.ts'
export {
  type ApplyOptions,
  type DeleteOptions,
  keyOf,
  type KubeList,
  type KubeObject,
  type ObjectMeta,
  type Objects,
  objectsOf,
  type OwnerReference,
  type Precondition,
  type Selection,
} from './objects.ts'
export { startPermittedReflector } from './permitted-reflector.ts'
export { createRecorder, type Note, type Recorder } from './recorder.ts'
export { type Reflector, type ReflectorOptions, startReflector } from './reflector.ts'
export * from './resource.ts'
export { isAtLeastVersion } from './resource-version.ts'
export { createSpills, type KeptSpill, type KeptSpills } from './spills.ts'
export { createStatusWriter, type StatusWriter, type WithStatus } from './status-writer.ts'
export type { CallIo } from './time-limit.ts'
export { connectKube, type Kube, type KubeOptions, type KubeRequest, type KubeStreamRequest } from './transport.ts'
