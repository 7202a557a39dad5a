import { getShortestPaths } from 'xstate/graph'
import { expect, test } from 'vitest'
import { FINDING_TYPES } from './finding.ts'
import { allows, CLUSTER_STATES, clusterLifecycle, type ClusterState, metaOf, nextState } from './lifecycle.ts'

const FORMED: readonly ClusterState[] = ['Healthy', 'Healing', 'Stalled']
const FORMING: readonly ClusterState[] = ['Creating', 'Meeting', 'Slotting']
const FINDINGS = [...FINDING_TYPES, 'Sound'] as const

test.each(FINDINGS)('%s has one answer from every formed state', (finding) => {
  const answers = FORMED.map((state) => nextState(state, true, finding))
  // What only forming knows keeps the state; everything else has one answer.
  expect(new Set(answers).size).toBe(1)
})

test.each(FINDINGS)('looking twice at %s changes nothing', (finding) => {
  for (const [states, formed] of [
    [FORMED, true],
    [FORMING, false],
  ] as const) {
    for (const state of states) {
      const once = nextState(state, formed, finding)
      if (once !== 'Deleting') expect(nextState(once, formed || FORMED.includes(once), finding)).toBe(once)
    }
  }
})

test.each(FINDINGS)('from formed, %s never leads back to forming', (finding) => {
  for (const state of [...CLUSTER_STATES, 'FromTheFuture', ''])
    expect(FORMING).not.toContain(nextState(state, true, finding))
})

test('a stored name that contradicts the history starts at the right compound', () => {
  expect(nextState('Healthy', false, 'NodesIsolated')).toBe('Meeting')
  expect(nextState('Slotting', true, 'PrimaryDown')).toBe('Healing')
  expect(nextState('FromTheFuture', true, 'Sound')).toBe('Healthy')
})

test('every state is reachable', () => {
  const paths = getShortestPaths(clusterLifecycle, {
    events: FINDINGS.map((type) => ({ type })),
    serializeState: (state) => JSON.stringify(state.value),
  })
  expect(paths).toHaveLength(CLUSTER_STATES.length)
})

test('no state but those of forming may assign slots, and only healing may forget', () => {
  expect(CLUSTER_STATES.filter((state) => allows(state, 'AssignSlots'))).toEqual(['Meeting', 'Slotting'])
  expect(CLUSTER_STATES.filter((state) => allows(state, 'ForgetNode'))).toEqual(['Healing'])
  expect(metaOf('Healthy').allows).not.toContain('FailOver')
})
