export { ContainerError, type ContainerFault } from './container-error.ts'
export { type ContainerKey, type ContainerKeys, parseContainerKey } from './container-key.ts'
export { packContainer, type PackOptions } from './pack-container.ts'
export { unpackContainer, type UnpackOptions } from './unpack-container.ts'
