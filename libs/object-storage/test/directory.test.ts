import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onSmallDisk, spawnBound } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { checkStorage, openDirectory } from '../src/index.ts'
import { collect, faultOf, limits, listed, openFreshDirectory, streamOf } from './storages.ts'

async function fresh() {
  const directory = await openFreshDirectory()
  onTestFinished(directory.remove)
  return directory
}
const text = (content: string) => streamOf(Buffer.from(content))
const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

test('a directory that is not there is no bucket, for every call', async () => {
  const { path } = await fresh()
  const store = openDirectory({ directory: join(path, 'not-mounted') })
  const calls = [
    () => store.put('a', text('a'), limits()),
    () => store.head('a', limits()),
    () => collect(store.get('a', limits())),
    () => listed(store.list('', limits())),
    () => store.delete(['a'], limits()),
    () => store.sweep('', new Date(), limits()),
  ]
  for (const call of calls) expect(await faultOf(call())).toBe('NoBucket')
  expect(await readdir(path)).toEqual([])
})

test('no symbolic link leads out of it', async () => {
  const { store, path } = await fresh()
  const outside = await fresh()
  await outside.store.put('secret', text('secret'), limits())
  await symlink(outside.path, join(path, 'folder'))
  await symlink(join(outside.path, 'secret'), join(path, 'file'))
  expect(await faultOf(store.put('folder/new', text('x'), limits()))).toBe('Refused')
  expect(await faultOf(collect(store.get('folder/secret', limits())))).toBe('Refused')
  expect(await faultOf(store.delete(['folder/secret'], limits()))).toBe('Refused')
  expect(await faultOf(collect(store.get('file', limits())))).toBe('NotFound')
  expect(await listed(store.list('', limits()))).toEqual([])
  // A put takes the place of the link, and writes nothing through it.
  await store.put('file', text('mine'), limits())
  expect((await collect(outside.store.get('secret', limits()))).toString()).toBe('secret')
  expect(await readdir(outside.path)).toEqual(['secret'])
})

test('a directory may itself be reached over a link', async () => {
  const { path, store } = await fresh()
  await mkdir(join(path, 'real'))
  await symlink('real', join(path, 'link'))
  await openDirectory({ directory: join(path, 'link') }).put('a', text('a'), limits())
  expect((await listed(store.list('', limits()))).map(({ key }) => key)).toEqual(['real/a'])
})

test('a key is not the folder of another', async () => {
  const { store } = await fresh()
  await store.put('a/b', text('x'), limits())
  expect(await faultOf(store.put('a', text('x'), limits()))).toBe('Refused')
  expect(await faultOf(store.put('a/b/c', text('x'), limits()))).toBe('Refused')
  expect((await listed(store.list('', limits()))).map(({ key }) => key)).toEqual(['a/b'])
})

test('called off at any moment it leaves nothing, not even while the file is being made', async () => {
  const { store, path } = await fresh()
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield await Promise.resolve(Buffer.alloc(65_536))
  }
  for (let turns = 0; turns < 120; turns += 1) {
    const stop = new AbortController()
    const put = store.put(`folder/${turns}`, endless(), { ...limits(), signal: stop.signal })
    const ended = expect(put).rejects.toThrow('enough')
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Error('enough'))
    await ended
  }
  expect(await readdir(join(path, 'folder')).catch(() => [])).toEqual([])
})

test('what a killed process left is not listed, and is swept once it is old', async () => {
  const { store, path } = await fresh()
  const child = spawnBound(process.execPath, [program('put-forever.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await readdir(join(path, 'backup'))).toHaveLength(1)
  expect(await listed(store.list('', limits()))).toEqual([])
  expect(await store.sweep('', new Date(Date.now() - 3_600_000), limits())).toEqual([])
  expect(await store.sweep('other/', new Date(Date.now() + 3_600_000), limits())).toEqual([])
  const ofAnother = { ...limits(), only: (key: string) => key !== 'backup/one' }
  expect(await store.sweep('', new Date(Date.now() + 3_600_000), ofAnother)).toEqual([])
  const swept = await store.sweep('backup/', new Date(Date.now() + 3_600_000), limits())
  expect(swept.map(({ key }) => key)).toEqual(['backup/one'])
  expect(await readdir(path)).toEqual([])
})

test('files of others are let be', async () => {
  const { store, path } = await fresh()
  await mkdir(join(path, 'lost+found'))
  await mkdir(join(path, '.snapshot'))
  await writeFile(join(path, '.snapshot', 'old'), '')
  await store.put('folder/a', text('a'), limits())
  await store.delete(['folder/a'], limits())
  expect((await readdir(path)).toSorted()).toEqual(['.snapshot', 'lost+found'])
  expect(await listed(store.list('', limits()))).toEqual([])
})

test('a volume that is mounted to be read only lacks the permission to write', async () => {
  const { path, remove } = await openFreshDirectory()
  onTestFinished(remove)
  const check = [process.execPath, program('check-directory.ts'), path]
  const readOnly = ['sh', '-c', 'mount -o remount,ro "$0" && exec "$@"', path, ...check]
  const [command = '', ...args] = onSmallDisk(path, 1_000_000, readOnly)
  const { stdout } = await promisify(execFile)(command, args)
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    missingPermissions: ['to create files and folders'],
    leftBehind: null,
  })
  expect((await checkStorage(openDirectory({ directory: path }), limits())).ok).toBe(true)
})
