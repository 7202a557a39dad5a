import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onSmallDisk, startObjectStorage } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { faultOf, limits, listed, openBucket, openFreshDirectory, streamOf, unfinished } from './storages.ts'

const DISK = 24 * 1024 * 1024

test('a directory whose disk is full says so, and gives the room back', async () => {
  const { path, remove } = await openFreshDirectory()
  onTestFinished(remove)
  const program = fileURLToPath(new URL('put-on-small-disk.ts', import.meta.url))
  const [command = '', ...args] = onSmallDisk(path, DISK, [process.execPath, program, path])
  const { stdout } = await promisify(execFile)(command, args)
  expect(JSON.parse(stdout)).toEqual({ outcome: 'Full', left: ['backup'] })
})

test('a server whose disk is full refuses, and takes the next that fits', async () => {
  const server = await startObjectStorage({ diskBytes: DISK })
  onTestFinished(() => server.stop())
  const store = openBucket(server, { tries: 2 })
  const fault = await faultOf(store.put('large', streamOf(Buffer.alloc(40_000_000)), limits()))
  expect(fault).toBe('Full')
  expect(await unfinished(store)).toEqual([])
  expect(await listed(store.list('', limits()))).toEqual([])
  expect(await faultOf(store.put('small', streamOf(Buffer.alloc(6_000_000)), limits()))).toBe('none')
})
