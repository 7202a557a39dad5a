import { expect, test } from 'vitest'
import { AGENT_FAULTS, type AgentReport, parseReport } from './agent-report.ts'

test.each(Object.keys(AGENT_FAULTS))('last words of %s are understood', (fault) => {
  const report = { result: 'Failed', fault, message: 'so and so' } as AgentReport
  expect(parseReport(JSON.stringify(report))).toEqual(report)
})

test.each([
  ['nothing', undefined],
  ['an empty text', ''],
  ['words that were cut', '{"result":"Do'],
  ['an unknown fault', '{"result":"Failed","fault":"Bored","message":""}'],
  ['a result without its task', '{"result":"Done","done":{"task":"SealBackup"}}'],
])('%s is no report', (_what, text) => {
  expect(parseReport(text)).toBeNull()
})
