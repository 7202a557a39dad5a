export { cacheDirectory } from './cache-directory.ts'
export type { Forward } from './forwarder.ts'
export { natsImage, s3Image, serverImages, slotkeeperImage } from './images.ts'
export type { CutMode, PodSignal } from './inside/switchboard-inside.ts'
export {
  attachPlatform,
  startPlatform,
  stopPlatform,
  type ForwardTarget,
  type Platform,
  type StartOptions,
  type Switchboard,
} from './platform.ts'
export { createDialer, type Dialer } from './dialer.ts'
export { packImage } from './image-archive.ts'
export { fillSlotkeeper, nodeLibraries, slotkeeperConfig, slotkeeperParts } from './slotkeeper-image.ts'
export { readToolchain, toolchainFile, type Toolchain } from './toolchain.ts'
