import { createHash, randomBytes } from 'node:crypto'
import { CLIENT_PORT, type RedisClusterSpec } from '@slotkeeper/api'
import { BACKUP_USER } from '@slotkeeper/backup'
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

/**
 * Reads the Secrets of a cluster by name.
 *
 * @param formed whether the cluster has formed. Before that a Secret of the name that is not ours is as good as none:
 * somebody's own, or one of a cluster of this name that was deleted a moment ago, whose servers may still run. Later
 * it may have been restored by hand, without its owner.
 */
export async function readCredentials(
  objects: Objects,
  cluster: ClusterRef,
  spec: RedisClusterSpec,
  formed: Promise<boolean>,
  io: CallIo,
): Promise<Credentials> {
  const read = async (name: string, key: string): Promise<Credentials> => {
    const secret = await objects.get(secrets, { namespace: cluster.namespace, name }, io)
    const missing = (what: string): Credentials => ({
      type: 'missing',
      secret: name,
      message: `the Secret ${name} ${what}`,
    })
    if (secret === null) return missing('does not exist')
    const theirs = name === spec.auth?.secretName
    if (!theirs && !isOurs(secret, cluster) && !(await formed)) return missing('is not ours')
    const value = field(secret, key)
    return value === undefined || value === ''
      ? missing(`has no value under the key ${key}`)
      : { type: 'found', control: value }
  }
  const [auth, control] = await Promise.all([
    read(authSecretName(cluster.name, spec), 'password'),
    read(nameOf.internal(cluster.name), 'control-password'),
  ])
  return auth.type === 'missing' ? auth : control
}

/**
 * Creates the Secrets that are missing, with random passwords; never replaces one. Only for a cluster that was never
 * formed.
 *
 * @returns the name of a Secret that is in the way because it is not ours, else null
 */
export async function createSecrets(
  objects: Objects,
  cluster: ClusterRef,
  spec: RedisClusterSpec,
  io: CallIo,
): Promise<string | null> {
  const auth = authSecretName(cluster.name, spec)
  const given = spec.auth === undefined ? await create(objects, cluster, auth, { password: random() }, io) : null
  if (given === 'taken') return auth
  const secret = given ?? (await objects.get(secrets, { namespace: cluster.namespace, name: auth }, io))
  const password = secret === null ? undefined : field(secret, 'password')
  if (password === undefined)
    throw new Error(`the Secret ${auth} has no value under the key password: create it, or leave spec.auth out`)
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
  // The internal one last: it is what readers wait for.
  for (const [name, data] of [
    [nameOf.connection(cluster.name), connection],
    [nameOf.internal(cluster.name), internalData(password)],
  ] as const)
    if ((await create(objects, cluster, name, data, io)) === 'taken') return name
  return null
}

/**
 * The content of the internal Secret: users of the servers with hashed passwords (everyone's, the controller's, the
 * replicas', the probes' and the backups'), and the passwords that the servers, the probes, the controller and backups read.
 *
 * @param password everyone's
 */
export function internalData(password: string): Record<string, string> {
  const control = random()
  const replication = random()
  const probe = random()
  const backup = random()
  const acl = [
    `user default on #${sha256(password)} ~* &* +@all -@admin +config|get`,
    `user ${CONTROL_USER} on #${sha256(control)} ~* &* +@all`,
    `user slotkeeper-replication on #${sha256(replication)} -@all +psync +replconf +ping`,
    `user slotkeeper-probe on #${sha256(probe)} -@all +ping +info +cluster|nodes`,
    `user ${BACKUP_USER.name} on #${sha256(backup)} ${BACKUP_USER.permissions}`,
    '',
  ].join('\n')
  return {
    'users.acl': acl,
    'auth.conf': `masteruser slotkeeper-replication\nmasterauth ${replication}\n`,
    'control-password': control,
    'probe-password': probe,
    [BACKUP_USER.passwordKey]: backup,
  }
}

/** Creates a Secret; gives it as it is there now, or that the name is taken by one that is not ours. */
async function create(
  objects: Objects,
  cluster: ClusterRef,
  name: string,
  data: Readonly<Record<string, string>>,
  io: CallIo,
): Promise<KubeObject | 'taken'> {
  const secret: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: ownedMeta(cluster, name),
    stringData: data,
  }
  try {
    return await objects.create(secrets, secret, io)
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists', 'Conflict')) throw error
    const found = await objects.get(secrets, { namespace: cluster.namespace, name }, io)
    if (found === null) throw error
    return isOurs(found, cluster) ? found : 'taken'
  }
}

function isOurs(object: KubeObject, cluster: ClusterRef): boolean {
  return object.metadata.ownerReferences?.some((one) => one.controller === true && one.uid === cluster.uid) ?? false
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
