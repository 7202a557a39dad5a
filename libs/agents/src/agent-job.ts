import {
  ANNOTATION,
  defined,
  type ForeignServer,
  internalSecretOf,
  LABEL,
  type RedisBackupStorageSpec,
} from '@slotkeeper/api'
import {
  AGENT_ENVIRONMENT,
  type AgentOrder,
  type AgentPlan,
  type AgentStorage,
  BACKUP_USER,
  formatPlan,
  type MountedSecret,
  SEEDED_VOLUME,
  SERVER_CA,
  SERVER_CERTIFICATE,
  SERVER_SECRETS,
} from '@slotkeeper/backup'
import type { KubeObject, OwnerReference } from '@slotkeeper/k8s'
import { CONFINED, scratchContainer, type ScratchServer, scratchVolume } from './scratch-server.ts'

/** Where an agent tells how far it is. */
export const PROGRESS_PORT = 8082

const CREDENTIALS = '/etc/slotkeeper/credentials'
const CA = '/etc/slotkeeper/ca'
const KEYS = '/etc/slotkeeper/keys'
const VOLUME = '/storage'
const AGENT_UID = 65532
/** What is left for the agent to say its last words after its own deadline. */
const WORDS_SECONDS = 30

/** A volume of a cluster that an agent fills, and who its pods are: what is in it must be theirs. */
export type SeededVolume = {
  readonly claimName: string
  /** `securityContext` of the pods of the cluster. */
  readonly securityContext: object
  /** Where they may run, and which of them are kept apart: parts of a pod's spec. */
  readonly placement: object
  /** Labels beside the agent's own, for whom it is to be kept apart from. */
  readonly labels: Readonly<Record<string, string>>
}

/** What an agent's Job follows from. */
export type JobRequest = {
  readonly namespace: string
  readonly owner: OwnerReference
  /** As `backup.nightly`. */
  readonly agentOf: string
  readonly image: string
  /** The platform chooses the user of each pod, and takes none that names one (OpenShift). */
  readonly isUserChosen: boolean
  readonly storage: RedisBackupStorageSpec
  /** The cluster whose servers it talks to; null where it talks to none, or to others. */
  readonly cluster: string | null
  /** Servers that are none of ours that it talks to. */
  readonly server?: ForeignServer
  /** The backup is a copy that a RedisRestore has made: there stands what people wrote. */
  readonly isCopy?: boolean
  /** A volume that it fills; absent where it fills none. */
  readonly volume?: SeededVolume
  /** A server that it has beside it; absent where it has none. */
  readonly scratch?: ScratchServer
  readonly order: AgentOrder
}

/** What only reads a storage: its volume then stays as it is, its group as well. */
const READERS: readonly string[] = ['find', 'inspect', 'load', 'seed', 'verify']

const isWritten = (mount: string, { order }: JobRequest): boolean =>
  mount === 'seeded' || (mount === 'storage' && !READERS.includes(order.step))

type Mount = {
  readonly name: string
  readonly path: string
  readonly source: object
  /** What the agent calls the Secret; absent where it is none. */
  readonly told?: Omit<MountedSecret, 'path' | 'namespace'>
}

/** The Job of an agent: one pod, started once, with the Secrets that its task needs and no access to Kubernetes. */
export function agentJob(request: JobRequest): KubeObject {
  const { namespace, owner, agentOf, image, storage, order } = request
  const { step, part, attempt } = order
  const labels = { [LABEL.name]: 'slotkeeper', [LABEL.managedBy]: 'slotkeeper', [LABEL.agentOf]: agentOf }
  const about = JSON.stringify({ step, ...(part === undefined ? {} : { part }), attempt })
  const mounts = mountsOf(request)
  const { serviceAccountName, resources, nodeSelector, tolerations } = storage.agent ?? {}
  const pod = {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 30,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    ...(tolerations === undefined ? {} : { tolerations }),
    ...request.volume?.placement,
    securityContext: identityOf(request),
    ...besides(request),
    containers: [
      {
        name: 'agent',
        image,
        imagePullPolicy: 'IfNotPresent',
        command: ['/usr/local/bin/node', '/app/agent.mjs'],
        env: [
          { name: 'SLOTKEEPER_PLAN', value: formatPlan(planOf(request, mounts)) },
          ...Object.entries(AGENT_ENVIRONMENT).map(([name, value]) => ({ name, value })),
        ],
        ports: [{ name: 'progress', containerPort: PROGRESS_PORT }],
        resources: resources ?? { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
        securityContext: CONFINED,
        volumeMounts: mounts.map(({ name, path }) => ({ name, mountPath: path, readOnly: !isWritten(name, request) })),
      },
    ],
    volumes: mounts.map(({ name, source }) => ({ name, ...source })),
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: order.job,
      namespace,
      labels,
      annotations: { [ANNOTATION.agent]: about },
      ownerReferences: [owner],
    },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: Math.ceil(order.deadlineMs / 1_000) + WORDS_SECONDS,
      template: { metadata: { labels: { ...request.volume?.labels, ...labels } }, spec: pod },
    },
  }
}

/** The server beside it, and what the images of both are fetched with. */
function besides({ storage, scratch }: JobRequest): object {
  const secrets = [...(storage.agent?.imagePullSecrets ?? []), ...(scratch?.cluster?.imagePullSecrets ?? [])]
  return {
    ...(secrets.length === 0 ? {} : { imagePullSecrets: secrets }),
    ...(scratch === undefined ? {} : { initContainers: [scratchContainer(scratch)] }),
  }
}

/**
 * As whom the agent runs. What it writes to a volume of servers is theirs, as whom it therefore runs; but a volume that holds
 * backups is read by who wrote it alone, and then the servers' group is what they have in common: files belong to it.
 */
function identityOf({ storage, volume, isUserChosen }: JobRequest): object {
  const own = isUserChosen ? {} : { runAsUser: AGENT_UID }
  if (volume !== undefined) return { ...volume.securityContext, ...(storage.filesystem === undefined ? {} : own) }
  return {
    runAsNonRoot: true,
    ...own,
    ...(isUserChosen ? {} : { runAsGroup: AGENT_UID, fsGroup: AGENT_UID }),
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

function planOf({ namespace, storage, order }: JobRequest, mounts: readonly Mount[]): AgentPlan {
  const { encryption } = storage
  return {
    storage: placeOf(storage),
    encryption: encryption === undefined ? null : { keys: KEYS, current: encryption.currentKey },
    deadlineMs: order.deadlineMs,
    progressPort: PROGRESS_PORT,
    mounts: mounts.flatMap(({ path, told }) => (told === undefined ? [] : [{ path, namespace, ...told }])),
    task: order.task,
  }
}

const folderOf = (prefix: string): string => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`)

function placeOf({ s3, azure, filesystem }: RedisBackupStorageSpec): AgentStorage {
  if (azure !== undefined) {
    const { account, container, prefix, endpoint } = azure
    const place = { type: 'azure', account, container, prefix: folderOf(prefix), credentials: CREDENTIALS } as const
    return { ...place, ...(endpoint === undefined ? {} : { endpoint }) }
  }
  if (s3 === undefined) return { type: 'directory', path: `${VOLUME}/${filesystem?.path ?? ''}`.replace(/\/$/, '') }
  const { endpoint, region, bucket, prefix, pathStyle, credentials, ca } = s3
  return {
    type: 's3',
    region,
    bucket,
    prefix: folderOf(prefix),
    pathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials: CREDENTIALS }),
    ...(ca === undefined ? {} : { ca: `${CA}/${ca.key}` }),
  }
}

/** Which Secret is mounted, and who names it. */
type Named = {
  readonly secretName: string
  /** Only this key, where not all of it is mounted; `file`: under another name than its own. */
  readonly key?: string
  readonly file?: string
  /** The field that names it, and of which kind; absent where nobody does. */
  readonly field?: string
}

/** Secrets are optional here: the agent tells of one that is missing, where the pod would only wait. */
function secretMount(name: string, path: string, { secretName, key, file = key, field }: Named): Mount {
  const items = key === undefined ? {} : { items: [{ key, path: file }] }
  const isRenamed = key !== undefined && file !== undefined && file !== key
  return {
    name,
    path,
    source: { secret: { secretName, optional: true, defaultMode: 0o440, ...items } },
    told: { secret: secretName, ...defined({ field }), ...(isRenamed ? { keys: { [file]: key } } : {}) },
  }
}

/** Secrets for servers that are none of ours. */
function serverMounts({ server, isCopy = false }: JobRequest): readonly Mount[] {
  const mounts: Mount[] = []
  const { password, tls } = server ?? {}
  const { ca, certificate } = tls ?? {}
  const fieldOf = (part: string): string =>
    isCopy ? `spec.source.server.${part} of the RedisRestore` : `spec.server.${part} of the RedisBackup`
  if (password !== undefined) {
    const file = BACKUP_USER.passwordKey
    mounts.push(secretMount('server', SERVER_SECRETS, { ...password, file, field: fieldOf('password') }))
  }
  if (ca !== undefined) mounts.push(secretMount('server-ca', SERVER_CA, { ...ca, field: fieldOf('tls.ca') }))
  if (certificate !== undefined) {
    const { secretName } = certificate
    const named = { secretName, field: fieldOf('tls.certificate') }
    mounts.push(secretMount('server-certificate', SERVER_CERTIFICATE, named))
  }
  return mounts
}

/** Secrets for the storage. */
function storageMounts({ s3, azure, encryption }: RedisBackupStorageSpec): readonly Mount[] {
  const mounts: Mount[] = []
  const fieldOf = (part: string): string => `spec.${part} of the RedisBackupStorage`
  const credentials = s3?.credentials ?? azure?.credentials
  if (credentials !== undefined) {
    const field = fieldOf(s3 === undefined ? 'azure.credentials' : 's3.credentials')
    mounts.push(secretMount('credentials', CREDENTIALS, { ...credentials, field }))
  }
  if (s3?.ca !== undefined) mounts.push(secretMount('ca', CA, { ...s3.ca, field: fieldOf('s3.ca') }))
  if (encryption !== undefined) {
    const { secretName } = encryption
    mounts.push(secretMount('keys', KEYS, { secretName, field: fieldOf('encryption') }))
  }
  return mounts
}

function mountsOf(request: JobRequest): readonly Mount[] {
  const { storage, cluster, volume, scratch } = request
  const { filesystem } = storage
  const mounts = [...storageMounts(storage)]
  if (cluster !== null) {
    const named = { secretName: internalSecretOf(cluster), key: BACKUP_USER.passwordKey }
    mounts.push(secretMount('server', SERVER_SECRETS, named))
  }
  mounts.push(...serverMounts(request))
  if (filesystem !== undefined) {
    const readOnly = !isWritten('storage', request)
    const source = { persistentVolumeClaim: { claimName: filesystem.claimName, ...(readOnly ? { readOnly } : {}) } }
    mounts.push({ name: 'storage', path: VOLUME, source })
  }
  if (volume !== undefined)
    mounts.push({
      name: 'seeded',
      path: SEEDED_VOLUME,
      source: { persistentVolumeClaim: { claimName: volume.claimName } },
    })
  if (scratch !== undefined) mounts.push({ name: 'seeded', path: SEEDED_VOLUME, source: scratchVolume(storage) })
  return mounts
}
