import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { generatedFiles } from './generated-files.ts'

const root = join(import.meta.dirname, '..')
const files = await generatedFiles(root)

test('there are generated files', () => {
  expect(files.size).toBeGreaterThanOrEqual(6)
})

test.each([...files.keys()])('%s is what `make generate` writes', (path) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(files.get(path))
})

test('the CRD stays far below the size that annotations and etcd bear', () => {
  expect(files.get('deploy/crds/redisclusters.yaml')?.length).toBeLessThan(200 * 1024)
})
