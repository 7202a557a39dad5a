import { StorageError } from './storage-error.ts'

/**
 * The address of a server, without a slash at its end.
 *
 * @throws StorageError for what is none, or has what may be credentials in it, as a token after `?`; does not repeat it
 */
export function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isPlain = url !== null && !/[?#@]/.test(text) && /^https?:$/.test(url.protocol)
  if (isPlain) return text.replace(/\/+$/, '')
  throw new StorageError(
    'Refused',
    'the endpoint is no address of a server without credentials in it',
    'Give https://HOST[:PORT][/PATH] without ?, # and @, and the credentials or the token apart from it',
  )
}
