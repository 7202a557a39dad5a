/**
 * The rings and what may import what. `core` is pure; an `adapter` is the one door to a foreign system; the `runtime`
 * states the ports it needs and imports no adapter; the `host` joins the two into a process, and an `app` says what the
 * process looks after.
 */
export type Ring = 'core' | 'adapter' | 'runtime' | 'host' | 'app' | 'test' | 'tool' | 'example'

/** One project's place. `uses` narrows what its ring allows inside the workspace. */
export type Place = {
  readonly ring: Ring
  /** Allowed npm packages; a trailing `*` matches the rest of the name. */
  readonly npm: readonly string[]
  /** Allowed built-ins of Node; `*` is all. */
  readonly builtins: readonly string[]
  /** The only workspace projects it may import, where that is fewer than its ring allows. */
  readonly uses?: readonly string[]
}

/** Which rings a ring may import. Nobody imports an app, and an adapter never another adapter. */
export const mayImport: Readonly<Record<Ring, readonly Ring[]>> = {
  core: ['core'],
  adapter: ['core'],
  runtime: ['core'],
  host: ['core', 'adapter', 'runtime'],
  app: ['core', 'adapter', 'runtime', 'host'],
  test: ['core', 'adapter', 'runtime', 'test'],
  tool: ['core', 'adapter', 'test'],
  example: ['core', 'adapter'],
}

/** Rings that only test files may import besides the ones of `mayImport`. */
export const testsMayImport: readonly Ring[] = ['core', 'adapter', 'runtime', 'test']

/** Every project of the workspace by its folder. A project that is not here fails the boundary test. */
export const places: Readonly<Record<string, Place>> = {
  'libs/annotation-hash': { ring: 'core', npm: [], builtins: ['node:crypto'], uses: [] },
  'libs/api': { ring: 'core', npm: ['zod'], builtins: [], uses: [] },
  'libs/redis-topology': { ring: 'core', npm: ['xstate'], builtins: [], uses: ['libs/api'] },
  'libs/rdb': { ring: 'core', npm: [], builtins: [], uses: [] },
  'libs/backup': {
    ring: 'core',
    npm: ['croner', 'xstate', 'zod'],
    builtins: [],
    uses: ['libs/api', 'libs/events', 'libs/rdb', 'libs/redis-topology'],
  },
  'libs/restore': {
    ring: 'core',
    npm: ['xstate'],
    builtins: [],
    uses: ['libs/api', 'libs/backup', 'libs/events', 'libs/redis-topology'],
  },
  'libs/events': { ring: 'core', npm: ['zod'], builtins: [], uses: ['libs/api'] },
  'libs/k8s': { ring: 'adapter', npm: ['@kubernetes/client-node', 'undici'], builtins: ['*'] },
  'libs/redis-client': { ring: 'adapter', npm: ['ioredis'], builtins: ['*'] },
  'libs/nats': { ring: 'adapter', npm: ['@nats-io/*'], builtins: ['*'] },
  'libs/object-storage': { ring: 'adapter', npm: ['@aws-sdk/client-s3', '@smithy/node-http-handler'], builtins: ['*'] },
  'libs/observability': { ring: 'adapter', npm: ['pino', 'prom-client'], builtins: ['*'] },
  'libs/controller': { ring: 'runtime', npm: [], builtins: ['node:timers', 'node:events'] },
  // node:crypto draws the name that a process stands for election under.
  'libs/controller-host': { ring: 'host', npm: ['zod'], builtins: ['node:crypto'] },
  'libs/agents': { ring: 'host', npm: [], builtins: [] },
  'libs/testing': { ring: 'test', npm: ['fast-check', 'ioredis', 'vitest', 'yaml'], builtins: ['*'] },
  // node:crypto draws passwords; it is neither the machine nor the network.
  'apps/cluster-controller': { ring: 'app', npm: ['zod'], builtins: ['node:crypto'] },
  'apps/backup-controller': { ring: 'app', npm: ['zod'], builtins: [] },
  'apps/restore-controller': { ring: 'app', npm: ['zod'], builtins: [] },
  'apps/agent': { ring: 'app', npm: [], builtins: [] },
  tools: { ring: 'tool', npm: ['esbuild', 'yaml'], builtins: ['*'] },
}

/** The place of examples, which come and go. */
export const exampleAt: Place = { ring: 'example', npm: [], builtins: ['*'] }

/** Doors: the only projects that may import a package, their tests included. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['libs/k8s'],
  undici: ['libs/k8s'],
  // The writer of tests and demo is an ordinary client, not ours.
  ioredis: ['libs/redis-client', 'libs/testing'],
  '@nats-io/*': ['libs/nats'],
  // Amazon's own client: roles of pods, temporary credentials, signatures and retries are kept right by those who change them.
  '@aws-sdk/*': ['libs/object-storage'],
  '@smithy/*': ['libs/object-storage'],
  pino: ['libs/observability'],
  'prom-client': ['libs/observability'],
  xstate: ['libs/redis-topology', 'libs/backup', 'libs/restore'],
  // Only asked when the next time is; its timers are not used.
  croner: ['libs/backup'],
}

/** Narrower than the project: in an app only these files may import the package or built-in. */
export const appFiles: Readonly<Record<string, readonly string[]>> = {
  zod: ['src/config.ts'],
  'node:*': [
    'src/main.ts',
    'src/config.ts',
    'src/credentials.ts',
    'src/mounted-secrets.ts',
    'src/progress-server.ts',
    'src/run-seed-shard.ts',
    'src/scratch-server.ts',
    'src/seed-volume.ts',
    'src/volume-file.ts',
  ],
}
