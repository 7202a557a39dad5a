import { ANNOTATION, type ForeignServer, internalSecretOf, LABEL, type RedisBackupStorageSpec } from '@slotkeeper/api'
import {
  AGENT_ENVIRONMENT,
  type AgentOrder,
  type AgentPlan,
  type AgentStorage,
  BACKUP_USER,
  formatPlan,
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

type Mount = { readonly name: string; readonly path: string; readonly source: object }

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
          { name: 'SLOTKEEPER_PLAN', value: formatPlan(planOf(request)) },
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

function planOf({ storage, order }: JobRequest): AgentPlan {
  const { encryption } = storage
  return {
    storage: placeOf(storage),
    encryption: encryption === undefined ? null : { keys: KEYS, current: encryption.currentKey },
    deadlineMs: order.deadlineMs,
    progressPort: PROGRESS_PORT,
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

/** Of a Secret, all of it or one key, under its own name or another. */
const secret = (secretName: string, only?: string, path = only): object => ({
  secret: {
    secretName,
    optional: true,
    defaultMode: 0o440,
    ...(only === undefined ? {} : { items: [{ key: only, path }] }),
  },
})

function mountsFor({ password, tls }: ForeignServer): readonly Mount[] {
  const mounts: Mount[] = []
  if (password !== undefined) {
    const source = secret(password.secretName, password.key, BACKUP_USER.passwordKey)
    mounts.push({ name: 'server', path: SERVER_SECRETS, source })
  }
  const { ca, certificate } = tls ?? {}
  if (ca !== undefined) mounts.push({ name: 'server-ca', path: SERVER_CA, source: secret(ca.secretName, ca.key) })
  if (certificate !== undefined)
    mounts.push({ name: 'server-certificate', path: SERVER_CERTIFICATE, source: secret(certificate.secretName) })
  return mounts
}

/** Secrets are optional here: the agent tells of one that is missing, where the pod would only wait. */
function mountsOf(request: JobRequest): readonly Mount[] {
  const { storage, cluster, server, volume, scratch } = request
  const { s3, azure, filesystem, encryption } = storage
  const mounts: Mount[] = []
  const credentials = s3?.credentials ?? azure?.credentials
  if (credentials !== undefined)
    mounts.push({ name: 'credentials', path: CREDENTIALS, source: secret(credentials.secretName) })
  if (s3?.ca !== undefined) mounts.push({ name: 'ca', path: CA, source: secret(s3.ca.secretName, s3.ca.key) })
  if (encryption !== undefined) mounts.push({ name: 'keys', path: KEYS, source: secret(encryption.secretName) })
  if (cluster !== null) {
    const source = secret(internalSecretOf(cluster), BACKUP_USER.passwordKey)
    mounts.push({ name: 'server', path: SERVER_SECRETS, source })
  }
  if (server !== undefined) mounts.push(...mountsFor(server))
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
