import { defineConfig } from 'vitest/config'

/**
 * The tiers of `make test`. Core is pure and fast; adapters speak to real servers; `platform` is the local platform by
 * itself, and installs that need one of their own; promises share one platform, each file in a namespace of its own;
 * demo has a platform of its own.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'core',
          include: [
            'libs/*/src/**/*.test.ts',
            'libs/{backup,redis-topology,restore}/test/*.test.ts',
            'tools/{,bench/,faults/}*.test.ts',
            'apps/*/src/**/*.test.ts',
          ],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'adapters',
          include: [
            'libs/{k8s,nats,object-storage,redis-client,rdb,api,controller,controller-host,testing}/test/**/*.test.ts',
            'apps/*/test/**/*.test.ts',
            'tools/test/**/*.test.ts',
          ],
          // Above what the waits inside a test may take: those say what was not reached.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          // They mostly wait, and share nothing: each file has servers of its own.
          maxWorkers: 3,
        },
      },
      {
        // `make test-storage`: what holds of versitygw holds of another maker's server too.
        test: {
          name: 'storage',
          include: ['libs/object-storage/test/{contract,s3,faults}.test.ts'],
          env: { S3_SERVER: 'ceph' },
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'platform',
          include: ['tools/local/test/**/*.test.ts', 'tools/installs/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'promises',
          include: ['tools/promises/**/*.test.ts'],
          globalSetup: ['tools/promises/shared-platform.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
