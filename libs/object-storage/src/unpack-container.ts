import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { ContainerError } from './container-error.ts'
import {
  decodeHead,
  decodeHeader,
  FRAME_HEAD_BYTES,
  HEADER_MAGIC,
  LEAD_BYTES,
  MOST_HEADER_BYTES,
  mostStored,
  SIGNATURE,
  unseal,
} from './container-format.ts'
import type { FrameHead, ReadHeader, Sealing } from './container-format.ts'
import { unwrapDataKey } from './container-key.ts'
import type { ContainerKeys } from './container-key.ts'
import { ExactReader } from './exact-reader.ts'

/** What the reader of a container insists on. */
export type UnpackOptions = {
  /** Keys by id; a container that is not encrypted is then refused. `none`: only such a container is read. */
  readonly keys: ContainerKeys | 'none'
  /** What it must be about; anything when not said. */
  readonly subject?: string
}

const decompress = promisify(zstdDecompress)

/**
 * Gives back what was packed. Each frame is checked before a byte of it comes out; one frame is held in memory. A reader
 * that stops early has seen true bytes, but only the end of the iteration says that these were all.
 *
 * @param chunks the container, in any pieces; its errors are passed on
 * @throws ContainerError that names what is wrong
 */
export async function* unpackContainer(
  chunks: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): AsyncGenerator<Buffer> {
  const reader = new ExactReader(chunks)
  try {
    const header = await readHeader(reader)
    checkSubject(header, options)
    const sealing = { dataKey: keyOf(header, options), digest: header.digest }
    try {
      for (let number = 0, isLast = false; !isLast; number += 1) {
        const { head, stored, seal } = await readFrame(reader, header, number)
        yield await openFrame(sealing, head, stored, seal)
        isLast = head.isLast
      }
    } finally {
      sealing.dataKey?.fill(0)
    }
    if ((await reader.take(1)).length > 0)
      throw new ContainerError(
        'TrailingBytes',
        'more bytes follow the last frame: something was written behind the end',
      )
  } finally {
    await reader.close()
  }
}

/** So many bytes hold the header of any container. */
export const HEADER_MOST_BYTES = LEAD_BYTES + MOST_HEADER_BYTES

/**
 * Whether a container can be opened with these keys: only its header is read.
 *
 * @param chunks the container, or its first `HEADER_MOST_BYTES`
 * @throws ContainerError that names why not
 */
export async function tryContainerKeys(chunks: AsyncIterable<Uint8Array>, options: UnpackOptions): Promise<void> {
  const reader = new ExactReader(chunks)
  try {
    const header = await readHeader(reader)
    checkSubject(header, options)
    keyOf(header, options)?.fill(0)
  } finally {
    await reader.close()
  }
}

async function readHeader(reader: ExactReader): Promise<ReadHeader> {
  const lead = await reader.take(LEAD_BYTES)
  if (lead.length === 0) throw new ContainerError('Truncated', 'there is nothing in it')
  if (lead.length < LEAD_BYTES) throw new ContainerError('Truncated', 'it ends within its header')
  const length = lead.readUInt32LE(4)
  if (lead.readUInt32LE(0) !== HEADER_MAGIC || length > MOST_HEADER_BYTES || length < SIGNATURE.length)
    throw new ContainerError('NotAContainer', 'it does not begin as a container does')
  const content = await reader.take(length)
  if (content.length < length) throw new ContainerError('Truncated', 'it ends within its header')
  const version = SIGNATURE.length - 1
  if (!content.subarray(0, version).equals(SIGNATURE.subarray(0, version)))
    throw new ContainerError('NotAContainer', 'it does not begin as a container does')
  if (content[version] !== SIGNATURE[version])
    throw new ContainerError('UnknownVersion', `it has version ${content[version]}, this reader knows 1`)
  const header = decodeHeader(content)
  if (header === null) throw new ContainerError('Damaged', 'bytes of its header were changed')
  return header
}

function checkSubject(header: ReadHeader, { subject }: UnpackOptions): void {
  if (subject !== undefined && subject !== header.subject)
    throw new ContainerError('OtherSubject', `it holds ${header.subject}, not ${subject}`)
}

function keyOf({ keyId, wrappedKey, bound }: ReadHeader, { keys }: UnpackOptions): Buffer | null {
  if (keyId === null) {
    if (keys === 'none') return null
    throw new ContainerError('NotEncrypted', 'it is not encrypted, though keys are given: anybody may have written it')
  }
  const key = keys === 'none' ? undefined : keys.get(keyId)
  if (key === undefined)
    throw new ContainerError('UnknownKey', `it is encrypted with the key ${keyId}, which is not among those given`)
  return unwrapDataKey(wrappedKey, { id: keyId, key }, bound)
}

async function readFrame(
  reader: ExactReader,
  header: ReadHeader,
  number: number,
): Promise<{ head: FrameHead; stored: Buffer; seal: Buffer }> {
  const bytes = await reader.take(FRAME_HEAD_BYTES)
  if (bytes.length === 0) throw new ContainerError('Truncated', `it ends before frame ${number}, without a last frame`)
  if (bytes.length < FRAME_HEAD_BYTES) throw new ContainerError('Truncated', `it ends within frame ${number}`)
  const read = decodeHead(bytes)
  if (read === null)
    throw new ContainerError('Damaged', `no frame ${number} where it should be: bytes were changed or are missing`)
  const { head, seal } = read
  if (!head.streamId.equals(header.streamId))
    throw new ContainerError('Spliced', `frame ${number} belongs to another container`)
  if (head.number !== number)
    throw new ContainerError('OutOfOrder', `frame ${head.number} stands where frame ${number} should`)
  if (head.plainBytes > header.frameBytes || head.storedBytes > mostStored(head.plainBytes))
    throw new ContainerError('Damaged', `frame ${number} gives a length that cannot be`)
  const stored = await reader.take(head.storedBytes)
  if (stored.length < head.storedBytes) throw new ContainerError('Truncated', `it ends within frame ${number}`)
  return { head, stored, seal }
}

async function openFrame(sealing: Sealing, head: FrameHead, stored: Buffer, seal: Buffer): Promise<Buffer> {
  const packed = unseal(sealing, head, stored, seal)
  if (packed === null)
    throw new ContainerError('Damaged', `frame ${head.number} does not fit its seal: bytes were changed or are missing`)
  // One byte at least: zlib takes no limit of 0.
  const maxOutputLength = Math.max(1, head.plainBytes)
  const chunkSize = Math.max(64, head.plainBytes + 1)
  const plain = await decompress(packed, { maxOutputLength, chunkSize }).catch(() => null)
  if (plain === null || plain.length !== head.plainBytes)
    throw new ContainerError('Damaged', `frame ${head.number} is sealed, and yet does not decompress to its length`)
  return plain
}
