import { createHash } from 'node:crypto'

/** What passed: how many bytes, and their SHA-256 in hex. */
export type Digest = { readonly bytes: number; readonly sha256: string }

/** A stream that is passed on unchanged, and what of it has passed once it has ended. */
export function digested(chunks: AsyncIterable<Uint8Array>): {
  readonly chunks: AsyncIterable<Uint8Array>
  digest(): Digest
} {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    chunks: (async function* () {
      for await (const chunk of chunks) {
        hash.update(chunk)
        bytes += chunk.length
        yield chunk
      }
    })(),
    digest: () => ({ bytes, sha256: hash.digest('hex') }),
  }
}
