import { createHash, randomBytes } from 'node:crypto'
import { openDirectory, openS3, packContainer, unpackContainer } from '../src/index.ts'
import type { Limits, ObjectStore, S3Options } from '../src/index.ts'

/** What this program is to do: how many bytes, and where to. */
export type FlowRequest = { readonly bytes: number; readonly s3?: S3Options; readonly directory?: string }

/** What it found: bytes that went through and came back, and resident sizes, in bytes. */
export type FlowReport = {
  readonly stored: number
  readonly isSame: boolean
  readonly before: number
  readonly most: number
}

const limits: Limits = { signal: new AbortController().signal, deadlineMs: 600_000 }
const request = JSON.parse(process.argv[2] ?? '') as FlowRequest
const store: ObjectStore =
  request.s3 === undefined ? openDirectory({ directory: request.directory ?? '' }) : openS3(request.s3)
// Longer than a frame, so that nothing repeats in one, and it does not get smaller.
const pool = randomBytes(9 * 1024 * 1024)
const chunkBytes = 64 * 1024

async function* source(bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; at += chunkBytes) {
    const from = at % pool.length
    yield pool.subarray(from, Math.min(from + chunkBytes, from + bytes - at))
  }
}

const key = { id: 'key', key: randomBytes(32) }
const keys = new Map([[key.id, key.key]])

async function run(name: string, bytes: number): Promise<{ stored: number; isSame: boolean }> {
  const written = createHash('sha256')
  const hashed = async function* () {
    for await (const chunk of source(bytes)) {
      written.update(chunk)
      yield chunk
    }
  }
  const stored = await store.put(name, packContainer(hashed(), { subject: name, encryption: key }), limits)
  const read = createHash('sha256')
  for await (const chunk of unpackContainer(store.get(name, limits), { keys, subject: name })) read.update(chunk)
  return { stored: stored.bytes, isSame: read.digest('hex') === written.digest('hex') }
}

// All code is loaded and every buffer has its size before the count begins.
await run('warm', 64 * 1024 * 1024)
const before = process.memoryUsage.rss()
let most = before
const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20)
const result = await run('large', request.bytes)
clearInterval(timer)
store.close()
process.stdout.write(JSON.stringify({ ...result, before, most } satisfies FlowReport))
