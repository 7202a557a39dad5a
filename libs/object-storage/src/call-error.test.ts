import { expect, test } from 'vitest'
import { Bounds } from './bounds.ts'
import { callError } from './call-error.ts'
import { StorageError } from './storage-error.ts'

const server = { stallMs: 30_000, tries: 4, secrets: [] }
const told = (code: string, more: object = {}): unknown => {
  const bounds = new Bounds({ signal: new AbortController().signal, deadlineMs: 1_000 })
  const error = Object.assign(new Error(code), { code }, more)
  return callError(error, { bounds, doing: 'listing', server, answered: () => null })
}

test.each([
  ['EAI_AGAIN', { hostname: 's3.example' }, 'listing: EAI_AGAIN s3.example'],
  ['ECONNREFUSED', { address: '10.0.0.9', port: 7070 }, 'listing: ECONNREFUSED 10.0.0.9:7070'],
  ['ECONNRESET', {}, 'listing: ECONNRESET'],
])('what could not be reached is named: %s', (code, more, message) => {
  expect(told(code, more)).toMatchObject({ fault: 'Unreachable', message })
})

test('a server without TLS is not called one of the wrong certificate', () => {
  expect(told('EPROTO')).toMatchObject({
    message: expect.stringContaining('no TLS'),
    remedy: expect.stringContaining('http://'),
  })
  expect(told('SELF_SIGNED_CERT_IN_CHAIN')).toMatchObject({ remedy: expect.stringContaining('CA') })
})

test("a server's own full stop is not followed by another", () => {
  expect(new StorageError('Refused', 'no such key ID.').message).toBe('no such key ID')
  expect(new StorageError('Refused', 'the server answered 404 ').message).toBe('the server answered 404')
})
