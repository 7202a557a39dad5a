export { type KubeApiServer, startKubeApiServer } from './kube-apiserver.ts'
export { readToolchain, requireTool, type Toolchain, toolchainFile } from './toolchain.ts'
