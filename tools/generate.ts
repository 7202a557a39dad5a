import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generatedFiles } from './generated-files.ts'

/** Writes every generated file of the repository; says which ones changed. */
const root = join(import.meta.dirname, '..')
for (const [path, text] of await generatedFiles(root)) {
  const file = join(root, path)
  const before = readOrEmpty(file)
  if (before === text) continue
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  console.log(`wrote ${path}`)
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
