export * from './cluster-calls.ts'
export * from './node-pool.ts'
export * from './observe-node.ts'
export * from './redis-node.ts'
