import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { type KubeApiServer, kubectl, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

/*
 * What people copy is taken as it stands: every example, and every whole object in the docs, is put to a real API server
 * with our CRDs, which refuses unknown fields as well. Nothing is created.
 */
const root = join(import.meta.dirname, '../..')
let api: KubeApiServer
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotkeeper-examples-'))
  api = await startKubeApiServer()
  await kubectl(api, 'apply', '-k', join(root, 'deploy/crds'))
  await kubectl(api, 'wait', '--for=condition=Established', 'crd', '--all')
})

afterAll(async () => {
  await api?.stop()
  await rm(folder, { recursive: true, force: true })
})

const below = (path: string, ending: string): readonly string[] =>
  readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
    .map((name) => join(root, path, name))

const isWhole = (text: string): boolean => /^apiVersion: slotkeeper\.dev\//m.test(text) && /^metadata:/m.test(text)
const examples = below('examples', '.yaml').filter((file) => isWhole(readFileSync(file, 'utf8')))
const inDocs = [...below('docs', '.md'), join(root, 'README.md')].flatMap((file) =>
  Array.from(readFileSync(file, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g), ([, text = '']) => ({ file, text })),
)

const taken = (file: string): Promise<string> =>
  kubectl(api, 'apply', '--dry-run=server', '--validate=strict', '-f', file)

test('every example is taken by the API server', async () => {
  expect(examples.length).toBeGreaterThan(6)
  for (const file of examples) await expect(taken(file), relative(root, file)).resolves.toContain('(server dry run)')
})

test('every whole object in the docs is, too', async () => {
  const whole = inDocs.filter(({ text }) => isWhole(text))
  expect(whole.length).toBeGreaterThan(0)
  for (const [number, { file, text }] of whole.entries()) {
    const copy = join(folder, `${number}.yaml`)
    await writeFile(copy, text)
    await expect(taken(copy), `${relative(root, file)}:\n${text}`).resolves.toContain('(server dry run)')
  }
})

test('the test can fail: a field that is not there is refused', async () => {
  const file = join(folder, 'wrong.yaml')
  const [first = ''] = examples
  await writeFile(file, readFileSync(first, 'utf8').replace(/^spec:$/m, 'spec:\n  nobody: reads this'))
  await expect(taken(file)).rejects.toThrow('nobody')
})
