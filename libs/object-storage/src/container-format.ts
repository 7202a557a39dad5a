import { createCipheriv, createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'

/**
 * The bytes of a container:
 *
 *     header   magic SKIP, its length u32, then: "slotkeeper" 1 (version) | flags u8 | frame bytes u32 | stream id 16
 *              | key id u8+n | subject u16+n | wrapped key 60, or nothing | SHA-256 of all before it, 32
 *     frame    magic SKIP+1, its length u32, then: stream id 16 | number u64 | flags u8 | plain bytes u32
 *              | stored bytes u32 | seal 16
 *              then the stored bytes: one zstd frame, encrypted or not
 *
 * Numbers are little endian. Header and frame heads are skippable frames of zstd, so that `zstd -d` reads a container
 * that is not encrypted, without us. The seal covers the header's digest, the frame's head and its bytes: the tag of
 * AES-256-GCM, or the first half of a SHA-256 where nothing is encrypted, which finds accidents and no forger.
 */
export const HEADER_MAGIC = 0x184d2a50
export const FRAME_MAGIC = 0x184d2a51
/** What the header begins with, after magic and length; the last byte is the version. */
export const SIGNATURE = Buffer.from('slotkeeper\x01', 'latin1')
/** Bytes of magic and length. */
export const LEAD_BYTES = 8
const DIGEST_BYTES = 32
const STREAM_ID_BYTES = 16
const SEAL_BYTES = 16
const FIXED_BYTES = SIGNATURE.length + 1 + 4 + STREAM_ID_BYTES
/** The longest header: nothing of a stranger's length is ever allocated. */
export const MOST_HEADER_BYTES = FIXED_BYTES + 1 + 255 + 2 + 1024 + 60 + DIGEST_BYTES
/** The longest subject, in bytes. */
export const MOST_SUBJECT_BYTES = 1024
/** Bytes of the head of a frame, its lead included. */
export const FRAME_HEAD_BYTES = LEAD_BYTES + STREAM_ID_BYTES + 8 + 1 + 4 + 4 + SEAL_BYTES
/** The largest frame, plain. */
export const MOST_FRAME_BYTES = 64 * 1024 * 1024

/** The most bytes that zstd makes of so many. */
export const mostStored = (plainBytes: number): number => plainBytes + (plainBytes >> 8) + 512

/** What a container says of itself before its first frame. */
export type ContainerHeader = {
  readonly frameBytes: number
  readonly streamId: Buffer
  /** Null where nothing is encrypted. */
  readonly keyId: string | null
  readonly subject: string
}

/** The header up to the wrapped key: what that key is bound to. */
export function boundPart({ frameBytes, streamId, keyId, subject }: ContainerHeader): Buffer {
  const fixed = Buffer.alloc(5)
  fixed.writeUInt8(keyId === null ? 0 : 1, 0)
  fixed.writeUInt32LE(frameBytes, 1)
  const id = Buffer.from(keyId ?? '')
  const about = Buffer.from(subject)
  const lengths = Buffer.alloc(2)
  lengths.writeUInt16LE(about.length)
  return Buffer.concat([SIGNATURE, fixed, streamId, Buffer.from([id.length]), id, lengths, about])
}

/** The whole header, and the digest that every frame is bound to. */
export function encodeHeader(header: ContainerHeader, wrappedKey: Uint8Array): { bytes: Buffer; digest: Buffer } {
  const content = Buffer.concat([boundPart(header), wrappedKey])
  const digest = createHash('sha256').update(content).digest()
  return { bytes: Buffer.concat([lead(HEADER_MAGIC, content.length + DIGEST_BYTES), content, digest]), digest }
}

/** A header as read; `bound` and `wrappedKey` are for the key. */
export type ReadHeader = ContainerHeader & {
  readonly bound: Buffer
  readonly wrappedKey: Buffer
  readonly digest: Buffer
}

/** Reads what follows the header's lead; null when its digest does not fit, or nothing has made such a header. */
export function decodeHeader(content: Buffer): ReadHeader | null {
  const body = content.subarray(0, -DIGEST_BYTES)
  const digest = createHash('sha256').update(body).digest()
  if (content.length < FIXED_BYTES + 3 + DIGEST_BYTES || !digest.equals(content.subarray(-DIGEST_BYTES))) return null
  let at = SIGNATURE.length
  const isEncrypted = body.readUInt8(at) === 1
  const frameBytes = body.readUInt32LE(at + 1)
  const streamId = body.subarray(at + 5, FIXED_BYTES)
  at = FIXED_BYTES + 1 + body.readUInt8(FIXED_BYTES)
  const keyId = body.subarray(FIXED_BYTES + 1, at).toString()
  const end = at + 2 + body.readUInt16LE(at)
  const subject = body.subarray(at + 2, end).toString()
  const wrappedKey = body.subarray(end)
  if (frameBytes > MOST_FRAME_BYTES || wrappedKey.length !== (isEncrypted ? 60 : 0)) return null
  const bound = body.subarray(0, end)
  return { frameBytes, streamId, keyId: isEncrypted ? keyId : null, subject, bound, wrappedKey, digest }
}

/** What the head of a frame says, its seal aside. */
export type FrameHead = {
  readonly streamId: Buffer
  readonly number: number
  readonly isLast: boolean
  readonly plainBytes: number
  readonly storedBytes: number
}

/** The head of a frame without its seal: all of it is sealed. */
export function encodeHead({ streamId, number, isLast, plainBytes, storedBytes }: FrameHead): Buffer {
  const rest = Buffer.alloc(17)
  rest.writeBigUInt64LE(BigInt(number), 0)
  rest.writeUInt8(isLast ? 1 : 0, 8)
  rest.writeUInt32LE(plainBytes, 9)
  rest.writeUInt32LE(storedBytes, 13)
  return Buffer.concat([lead(FRAME_MAGIC, FRAME_HEAD_BYTES - LEAD_BYTES), streamId, rest])
}

/** Reads the head of a frame; null when it is none. */
export function decodeHead(bytes: Buffer): { head: FrameHead; seal: Buffer } | null {
  const isFrame = bytes.readUInt32LE(0) === FRAME_MAGIC && bytes.readUInt32LE(4) === FRAME_HEAD_BYTES - LEAD_BYTES
  const at = LEAD_BYTES + STREAM_ID_BYTES
  const flags = bytes.readUInt8(at + 8)
  if (!isFrame || flags > 1) return null
  const head = {
    streamId: bytes.subarray(LEAD_BYTES, at),
    number: Number(bytes.readBigUInt64LE(at)),
    isLast: flags === 1,
    plainBytes: bytes.readUInt32LE(at + 9),
    storedBytes: bytes.readUInt32LE(at + 13),
  }
  return { head, seal: bytes.subarray(-SEAL_BYTES) }
}

/** What seals the frames of one container; `dataKey` is null where nothing is encrypted. */
export type Sealing = { readonly dataKey: Buffer | null; readonly digest: Buffer }

/** Encrypts, where there is a key, and seals. */
export function seal({ dataKey, digest }: Sealing, head: FrameHead, packed: Buffer): { stored: Buffer; seal: Buffer } {
  const sealed = encodeHead(head)
  if (dataKey === null) return { stored: packed, seal: sealOfPlain(digest, sealed, packed) }
  const cipher = createCipheriv('aes-256-gcm', dataKey, nonceOf(head.number)).setAAD(Buffer.concat([digest, sealed]))
  const stored = cipher.update(packed)
  cipher.final()
  return { stored, seal: cipher.getAuthTag() }
}

/** The opposite of `seal`; null when anything of it was changed. */
export function unseal({ dataKey, digest }: Sealing, head: FrameHead, stored: Buffer, given: Buffer): Buffer | null {
  const sealed = encodeHead(head)
  if (dataKey === null) return timingSafeEqual(sealOfPlain(digest, sealed, stored), given) ? stored : null
  const decipher = createDecipheriv('aes-256-gcm', dataKey, nonceOf(head.number), { authTagLength: SEAL_BYTES })
  decipher.setAAD(Buffer.concat([digest, sealed])).setAuthTag(given)
  const packed = decipher.update(stored)
  try {
    decipher.final()
    return packed
  } catch {
    return null
  }
}

const sealOfPlain = (digest: Buffer, sealed: Buffer, stored: Buffer): Buffer =>
  createHash('sha256').update(digest).update(sealed).update(stored).digest().subarray(0, SEAL_BYTES)

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(number), 4)
  return nonce
}

function lead(magic: number, length: number): Buffer {
  const bytes = Buffer.alloc(LEAD_BYTES)
  bytes.writeUInt32LE(magic, 0)
  bytes.writeUInt32LE(length, 4)
  return bytes
}
