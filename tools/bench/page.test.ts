import { expect, test } from 'vitest'
import { pageWith, renderPage } from './page.ts'
import type { Result } from './scenario.ts'

const facts = { date: '2026-11-22', machine: [], versions: [], busy: false }
const result = (title: string, seconds: number): Result => ({
  title,
  method: `How ${title} is measured.`,
  figures: [{ what: 'done', unit: 's', ours: [seconds] }],
})
const page = renderPage(facts, [result('Forming', 1), result('Moving', 2)])

test('sections measured apart take the place of theirs or come last, and say so; the others stay as they are', () => {
  const when = 'on a day at a load of 9'
  const note = `**Measured apart from the rest: ${when}.**`
  const changed = pageWith(page, [result('Forming', 3), result('Storing', 4)], when)
  const [head, forming, moving, storing] = changed.split('\n## ')
  expect(head).toBe(page.split('\n## ')[0])
  expect(`\n## ${moving}`).toBe(page.slice(page.indexOf('\n## Moving')))
  expect(forming).toContain(`How Forming is measured.\n\n${note}\n\n| what |`)
  expect(forming).toContain('**3.00 s**')
  expect(forming).not.toContain('**1.00 s**')
  expect(storing).toContain(`How Storing is measured.\n\n${note}\n\n| what |`)
  expect(pageWith(changed, [result('Storing', 4)], when)).toBe(changed)
})

test('where all was measured apart, how busy the machine was before goes', () => {
  const loaded = {
    ...facts,
    machine: [['load before the run', '39'] as const, ['memory', '9 GiB'] as const],
    busy: true,
  }
  const both = renderPage(loaded, [result('Forming', 1), result('Moving', 2)])
  const one = pageWith(both, [result('Forming', 3)], 'on a day')
  expect(one).toContain('Other work was under way')
  const all = pageWith(one, [result('Moving', 4)], 'on a day')
  expect(all).not.toContain('Other work was under way')
  expect(all).not.toContain('load before the run')
  expect(all).toContain('| memory | 9 GiB |')
})

test('a page is the same when nothing was measured apart', () => {
  expect(pageWith(page, [], 'never')).toBe(page)
})
