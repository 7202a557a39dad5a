import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startObjectStorage } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { FlowReport, FlowRequest } from './flow.ts'
import { openFreshDirectory } from './storages.ts'

const MIB = 1024 * 1024

/** In a process of its own: its resident size is nobody else's. */
async function flow(request: FlowRequest): Promise<FlowReport> {
  const program = fileURLToPath(new URL('flow.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(request)])
  return JSON.parse(stdout) as FlowReport
}

test.each([
  ['s3', 1024 * MIB],
  ['directory', 256 * MIB],
] as const)(
  'what goes through container and storage and back takes bounded memory: %s, %i bytes',
  async (kind, bytes) => {
    const server = kind === 's3' ? await startObjectStorage() : null
    const directory = kind === 'directory' ? await openFreshDirectory() : null
    onTestFinished(async () => {
      await server?.stop()
      await directory?.remove()
    })
    const report = await flow({
      bytes,
      ...(server === null
        ? { directory: directory?.path ?? '' }
        : { s3: { endpoint: server.endpoint, bucket: server.bucket, credentials: server.admin } }),
    })
    expect(report.isSame).toBe(true)
    expect(report.stored).toBeGreaterThan(bytes)
    expect(report.most - report.before).toBeLessThan(160 * MIB)
  },
  240_000,
)
