import { CATALOGUE } from '@slotkeeper/api'
import type { Stage } from './stage.ts'

/** Users of a plain server: name, password, and what they may. */
export type PlainUser = { readonly name: string; readonly password: string; readonly permissions: string }

/**
 * Starts a server that nobody looks after, as a pod without cluster mode; it goes with the namespace. Passwords are in a
 * Secret of its name, as `<user>`; the default user has one too.
 */
export async function startPlainRedis(stage: Stage, name: string, users: readonly PlainUser[]): Promise<void> {
  const lines = users.map((one) => `user ${one.name} on >${one.password} ${one.permissions}`)
  const conf = ['save ""', 'dir /tmp', 'repl-diskless-sync yes', 'repl-diskless-sync-delay 0', ...lines].join('\n')
  const words = Object.fromEntries(users.map((one) => [one.name, one.password]))
  await stage.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData: { ...words, 'redis.conf': `${conf}\n` },
  })
  await stage.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      securityContext: { runAsUser: 999, runAsNonRoot: true },
      containers: [
        {
          name,
          image: CATALOGUE['redis-7.0'],
          command: ['redis-server', '/conf/redis.conf'],
          volumeMounts: [{ name: 'conf', mountPath: '/conf' }],
          readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1 },
        },
      ],
      volumes: [{ name: 'conf', secret: { secretName: name, items: [{ key: 'redis.conf', path: 'redis.conf' }] } }],
    },
  })
  await stage.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port: 6379 }] },
  })
  await stage.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s')
}
