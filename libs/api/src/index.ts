export * from './condition.ts'
export * from './crd.ts'
export * from './meta.ts'
export * from './redis-cluster.ts'
