import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { retell, saysWhy } from './scenario.ts'

const folder = join(import.meta.dirname, '../scenarios')

test.each(readdirSync(folder))('%s', async (file) => {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  expect(saysWhy(text), 'the first paragraph says why it exists').toBe(true)
  const told = retell(text)
  // Written anew by `make transcripts` alone.
  await expect(told.text).toMatchFileSnapshot(path)
  expect(told.broken).toEqual([])
})
