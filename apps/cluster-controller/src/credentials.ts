import { createHash, randomBytes } from 'node:crypto'
import { CLIENT_PORT, type RedisClusterSpec } from '@slotkeeper/api'
import { isKubeError, type KubeObject, type Objects, secrets, type CallIo } from '@slotkeeper/k8s'
import { nameOf, ownedMeta, type ClusterRef } from './resources/names.ts'
import { imageOf } from './resources/stateful-set.ts'

/** The server's own user of the controller. */
export const CONTROL_USER = 'slotkeeper'

/** What was found of a cluster's Secrets. A missing one is a value; the passwords stay in this process. */
export type Credentials =
  | { readonly type: 'found'; readonly control: string }
  | { readonly type: 'missing'; readonly secret: string; readonly message: string }

/** Name of the Secret with the users' password. */
export function authSecretName(name: string, spec: RedisClusterSpec): string {
  return spec.auth?.secretName ?? nameOf.auth(name)
}

/** Reads the Secrets of a cluster by name. */
export async function readCredentials(
  objects: Objects,
  cluster: ClusterRef,
  spec: RedisClusterSpec,
  io: CallIo,
): Promise<Credentials> {
  const read = async (name: string, key: string) => {
    const secret = await objects.get(secrets, { namespace: cluster.namespace, name }, io)
    const value = secret === null ? undefined : field(secret, key)
    if (value !== undefined && value !== '') return { type: 'found', control: value } as const
    const message = `the Secret ${name} ${secret === null ? 'does not exist' : `has no value under the key ${key}`}`
    return { type: 'missing', secret: name, message } as const
  }
  const [auth, control] = await Promise.all([
    read(authSecretName(cluster.name, spec), 'password'),
    read(nameOf.internal(cluster.name), 'control-password'),
  ])
  return auth.type === 'missing' ? auth : control
}

/** Creates the Secrets that are missing, with random passwords; never replaces one. Only for a cluster that was never formed. */
export async function createSecrets(
  objects: Objects,
  cluster: ClusterRef,
  spec: RedisClusterSpec,
  io: CallIo,
): Promise<void> {
  const auth = authSecretName(cluster.name, spec)
  let password = await valueOf(objects, cluster.namespace, auth, 'password', io)
  if (password === undefined) {
    if (spec.auth !== undefined)
      throw new Error(`the Secret ${auth} has no value under the key password: create it, or leave spec.auth out`)
    password = random()
    await create(objects, cluster, auth, { password }, io)
    password = (await valueOf(objects, cluster.namespace, auth, 'password', io)) ?? password
  }
  await create(objects, cluster, nameOf.internal(cluster.name), internalData(password), io)
  const host = `${nameOf.client(cluster.name)}.${cluster.namespace}.svc`
  const connection = {
    type: 'redis',
    provider: 'slotkeeper',
    host,
    port: String(CLIENT_PORT),
    username: 'default',
    password,
    uri: `redis://default:${encodeURIComponent(password)}@${host}:${CLIENT_PORT}`,
    image: imageOf(spec),
  }
  await create(objects, cluster, nameOf.connection(cluster.name), connection, io)
}

/**
 * The content of the internal Secret: users of the servers with hashed passwords (everyone's, the controller's, the
 * replicas' and the probes'), and the passwords that the servers, the probes and the controller read.
 *
 * @param password everyone's
 */
export function internalData(password: string): Record<string, string> {
  const control = random()
  const replication = random()
  const probe = random()
  const acl = [
    `user default on #${sha256(password)} ~* &* +@all -@admin +config|get`,
    `user ${CONTROL_USER} on #${sha256(control)} ~* &* +@all`,
    `user slotkeeper-replication on #${sha256(replication)} -@all +psync +replconf +ping`,
    `user slotkeeper-probe on #${sha256(probe)} -@all +ping +info +cluster|nodes`,
    '',
  ].join('\n')
  return {
    'users.acl': acl,
    'auth.conf': `masteruser slotkeeper-replication\nmasterauth ${replication}\n`,
    'control-password': control,
    'probe-password': probe,
  }
}

async function create(
  objects: Objects,
  cluster: ClusterRef,
  name: string,
  data: Record<string, string>,
  io: CallIo,
): Promise<void> {
  const secret: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: ownedMeta(cluster, name),
    stringData: data,
  }
  try {
    await objects.create(secrets, secret, io)
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists', 'Conflict')) throw error
  }
}

async function valueOf(
  objects: Objects,
  namespace: string,
  name: string,
  key: string,
  io: CallIo,
): Promise<string | undefined> {
  const secret = await objects.get(secrets, { namespace, name }, io)
  return secret === null ? undefined : field(secret, key)
}

function field(secret: KubeObject, key: string): string | undefined {
  const data = secret['data'] as Record<string, string> | undefined
  const value = data?.[key]
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')
}

function random(): string {
  return randomBytes(24).toString('base64url')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
