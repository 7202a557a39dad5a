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
 * @throws AgentError `SecretMissing`, or `KeyWrong` for what can be no key; StorageError for what can be no storage
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
  const keys = await secrets.readAll(folder, ['accessKeyId', 'secretAccessKey'])
  const sessionToken = await secrets.readOptional(folder, 'sessionToken')
  return { ...keys, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

/** One of the two: of both nobody knows which is meant, and they differ in what they may do. */
async function azureCredentialsIn(folder: string, secrets: MountedSecrets): Promise<AzureCredentials> {
  const sasToken = await secrets.readOptional(folder, 'sasToken')
  const accountKey = await secrets.readOptional(folder, 'accountKey')
  if (accountKey === undefined) {
    if (sasToken === undefined) throw secrets.missing(folder, 'either of the keys accountKey and sasToken')
    return { sasToken }
  }
  if (sasToken !== undefined)
    throw secrets.wrong(folder, 'it has both accountKey and sasToken: remove the one that is not meant')
  if (!isBase64(accountKey))
    throw secrets.wrong(folder, 'its accountKey is no base64: put in a key of the account as Azure shows it')
  return { accountKey }
}

/** Of what is none the decoder leaves out what it does not know: another key would sign, and the storage refuse it. */
const isBase64 = (text: string): boolean =>
  Buffer.from(text, 'base64').toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
