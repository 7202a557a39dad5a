export * from './logger.ts'
export * from './metrics.ts'
export * from './probe-server.ts'
