import { StorageError } from './storage-error.ts'

/**
 * The address of a server, without a slash at its end.
 *
 * @throws StorageError for what is none, or has credentials in it; does not repeat it
 */
export function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isPlain = url !== null && url.username === '' && url.password === '' && /^https?:$/.test(url.protocol)
  if (isPlain) return text.replace(/\/+$/, '')
  throw new StorageError(
    'Refused',
    'the endpoint is no address of a server without credentials in it',
    'Give https://HOST[:PORT], and the credentials apart from it',
  )
}
