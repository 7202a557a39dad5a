import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import {
  boundPart,
  encodeHead,
  encodeHeader,
  MOST_FRAME_BYTES,
  MOST_SUBJECT_BYTES,
  mostStored,
  seal,
} from './container-format.ts'
import type { FrameHead } from './container-format.ts'
import { checkContainerKey, drawDataKey, wrapDataKey } from './container-key.ts'
import type { ContainerKey } from './container-key.ts'
import { cutEvenly } from './cut-evenly.ts'

/** How a container is made. */
export type PackOptions = {
  /** What it is about, for example backup and shard: the reader may insist on it. Not secret; at most 1,024 bytes. */
  readonly subject: string
  /** The key-encryption key, or `none`: compressed only, and proof against accidents only. */
  readonly encryption: ContainerKey | 'none'
  /** Of zstd, 1 to 19; 1 when not said. */
  readonly level?: number
  /** Plain bytes of a frame, 4 MiB when not said; what the reader must hold in memory. */
  readonly frameBytes?: number
}

const compress = promisify(zstdCompress)
const FRAME_BYTES = 4 * 1024 * 1024
/** The least that zlib takes for a buffer. Else a frame goes into one, which spares copies and turns of the event loop. */
const CHUNK_BYTES = 64

/**
 * Cuts a stream into frames, compresses, encrypts and seals each. One frame is held in memory, and nothing is read from
 * `chunks` before what was made has been taken.
 *
 * @param chunks what is to be kept; errors of it are passed on
 * @throws RangeError for options that cannot be, at the first `next`
 */
export async function* packContainer(chunks: AsyncIterable<Uint8Array>, options: PackOptions): AsyncGenerator<Buffer> {
  const { encryption, subject, frameBytes = FRAME_BYTES, level = 1 } = options
  if (frameBytes < 1 || frameBytes > MOST_FRAME_BYTES) throw new RangeError('a frame has 1 byte to 64 MiB')
  if (Buffer.byteLength(subject) > MOST_SUBJECT_BYTES) throw new RangeError('a subject has at most 1,024 bytes')
  const dataKey = encryption === 'none' ? null : drawDataKey()
  const keyId = encryption === 'none' ? null : checkContainerKey(encryption).id
  const header = { frameBytes, streamId: randomBytes(16), keyId, subject }
  const wrapped =
    encryption === 'none' || dataKey === null ? Buffer.alloc(0) : wrapDataKey(dataKey, encryption, boundPart(header))
  const { bytes, digest } = encodeHeader(header, wrapped)
  yield bytes
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  let number = 0
  try {
    for await (const { bytes: plain, isLast } of cutEvenly(chunks, frameBytes, 1)) {
      const packed = await compress(plain, {
        params,
        chunkSize: Math.max(CHUNK_BYTES, mostStored(plain.length)),
        // Else the tables of high levels are made for files without an end: 80 MB of each frame at work.
        pledgedSrcSize: plain.length,
      })
      const head: FrameHead = {
        streamId: header.streamId,
        number,
        isLast,
        plainBytes: plain.length,
        storedBytes: packed.length,
      }
      const sealed = seal({ dataKey, digest }, head, packed)
      yield Buffer.concat([encodeHead(head), sealed.seal])
      yield sealed.stored
      number += 1
    }
  } finally {
    dataKey?.fill(0)
  }
}
