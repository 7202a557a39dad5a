import { createLogger, createMetrics } from '@slotkeeper/observability'
import { expect, test } from 'vitest'
import { createAccess } from './access.ts'

test('a namespace is unreadable while one kind may not be read in it; each kind is named', async () => {
  const lines: string[] = []
  const log = createLogger({ level: 'info', name: 'test', write: (line) => lines.push(line) })
  const metrics = createMetrics()
  const tell = createAccess({ log, metrics })
  const unreadable = async () => (await metrics.unreadableNamespaces.get()).values
  tell('backup', 'shop', false)
  tell('storage', 'shop', false)
  tell('backup', 'shop', true)
  expect(await unreadable()).toMatchObject([{ labels: { namespace: 'shop' }, value: 1 }])
  tell('storage', 'shop', true)
  tell('storage', '', false)
  expect(await unreadable()).toMatchObject([
    { labels: { namespace: 'shop' }, value: 0 },
    { labels: { namespace: '(all)' }, value: 1 },
  ])
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 'error', namespace: 'shop', msg: 'this namespace may not be read: its backups are left alone' },
    { level: 'error', namespace: 'shop', msg: 'this namespace may not be read: its storages are left alone' },
    { level: 'info', namespace: 'shop', msg: 'this namespace may be read again' },
    { level: 'info', namespace: 'shop', msg: 'this namespace may be read again' },
    { level: 'error', namespace: '(all)', msg: 'this namespace may not be read: its storages are left alone' },
  ])
})
