import type { AgentStorage } from '@slotkeeper/backup'
import {
  type AzureCredentials,
  type ObjectStore,
  openAzure,
  openDirectory,
  openS3,
  type S3Credentials,
} from '@slotkeeper/object-storage'
import type { MountedSecrets } from './mounted-secrets.ts'

/** How a storage is used. */
export type StorageUse = {
  /** For all that is sent and read together. */
  readonly maxBytesPerSecond?: number | undefined
  /** How many uploads are under way at a time, 1 when not said: two parts of each are in memory. */
  readonly uploads?: number
}

const MIB = 1024 * 1024
/** Of parts of all uploads: more uploads have smaller parts, but no smaller than the least that Amazon takes. */
const PARTS_MIB = 32
const PART_MIB = { least: 5, most: 16 }

/**
 * Opens the storage of a plan; connects to nothing.
 *
 * @throws AgentError `SecretMissing`; StorageError for what can be no storage
 */
export async function openStorage(
  storage: AgentStorage,
  secrets: MountedSecrets,
  { maxBytesPerSecond, uploads = 1 }: StorageUse = {},
): Promise<ObjectStore> {
  const pace = maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }
  if (storage.type === 'directory') return openDirectory({ directory: storage.path, ...pace })
  const partBytes = MIB * Math.max(PART_MIB.least, Math.min(PART_MIB.most, Math.floor(PARTS_MIB / uploads)))
  if (storage.type === 'azure') {
    const { account, container, prefix, endpoint } = storage
    const credentials = await azureCredentialsIn(storage.credentials, secrets)
    const place = { account, container, prefix, credentials, blockBytes: partBytes, ...pace }
    return openAzure({ ...place, ...(endpoint === undefined ? {} : { endpoint }) })
  }
  const { bucket, prefix, region, pathStyle, endpoint, credentials, ca } = storage
  return openS3({
    bucket,
    prefix,
    region,
    pathStyle,
    partBytes,
    ...pace,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials: await credentialsIn(credentials, secrets) }),
    ...(ca === undefined ? {} : { ca: await secrets.certificates(ca) }),
  })
}

async function credentialsIn(folder: string, secrets: MountedSecrets): Promise<S3Credentials> {
  const [accessKeyId, secretAccessKey, sessionToken] = await Promise.all([
    secrets.read(folder, 'accessKeyId'),
    secrets.read(folder, 'secretAccessKey'),
    secrets.readOptional(folder, 'sessionToken'),
  ])
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

/** A token where there is one: it is what somebody has given fewer rights. */
async function azureCredentialsIn(folder: string, secrets: MountedSecrets): Promise<AzureCredentials> {
  const sasToken = await secrets.readOptional(folder, 'sasToken')
  return sasToken === undefined ? { accountKey: await secrets.read(folder, 'accountKey') } : { sasToken }
}
