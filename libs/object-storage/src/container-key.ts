import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { ContainerError } from './container-error.ts'

/** A key-encryption key: it only ever encrypts the keys of containers. The id is stored beside what it encrypted. */
export type ContainerKey = { readonly id: string; readonly key: Uint8Array }

/** The keys of which a reader may need one, by id; those from before a rotation stay among them. */
export type ContainerKeys = ReadonlyMap<string, Uint8Array>

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32

/** How many bytes a wrapped key takes: nonce, key, tag. */
export const WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES

/**
 * Reads a key as people keep it in a Secret.
 *
 * @param id its name, at most 255 bytes
 * @param text 32 bytes in base64
 * @throws RangeError when it is no such thing; the message does not repeat it
 */
export function parseContainerKey(id: string, text: string): ContainerKey {
  const key = Buffer.from(text.trim(), 'base64')
  const isExact = key.toString('base64').replace(/=+$/, '') === text.trim().replace(/=+$/, '')
  if (key.length !== KEY_BYTES || !isExact)
    throw new RangeError(`the key ${id} is not 32 bytes in base64. Remedy: openssl rand -base64 32`)
  return checkContainerKey({ id, key })
}

/** Gives the key back, or throws a RangeError when its id or its length cannot be. */
export function checkContainerKey(key: ContainerKey): ContainerKey {
  if (key.key.length !== KEY_BYTES) throw new RangeError(`the key ${key.id} has ${key.key.length} bytes, not 32`)
  const length = Buffer.byteLength(key.id)
  if (length === 0 || length > 255) throw new RangeError('the id of a key has 1 to 255 bytes')
  return key
}

/** Draws the key of one container. It is never used for another, so that a frame's number is enough of a nonce. */
export const drawDataKey = (): Buffer => randomBytes(KEY_BYTES)

/**
 * Encrypts the key of a container with a key-encryption key.
 *
 * @param bound what it is bound to: unwrapping needs the same
 */
export function wrapDataKey(dataKey: Uint8Array, { key }: ContainerKey, bound: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(bound)
  return Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
}

/** The key of a container, or a ContainerError `WrongKey`. */
export function unwrapDataKey(wrapped: Uint8Array, { id, key }: ContainerKey, bound: Uint8Array): Buffer {
  const decipher = createDecipheriv(CIPHER, key, wrapped.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(bound).setAuthTag(wrapped.subarray(NONCE_BYTES + KEY_BYTES))
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(NONCE_BYTES, NONCE_BYTES + KEY_BYTES)), decipher.final()])
  } catch {
    throw new ContainerError('WrongKey', `the key ${id} is not the one that this was encrypted with, only its namesake`)
  }
}
