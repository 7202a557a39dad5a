import { getShortestPaths } from 'xstate/graph'
import { expect, test } from 'vitest'
import { FINDING_TYPES } from './finding.ts'
import {
  allows,
  CLUSTER_STATES,
  clusterLifecycle,
  type ClusterState,
  metaOf,
  nextState,
  type LifeStage,
} from './lifecycle.ts'

const FORMED: readonly ClusterState[] = ['Healthy', 'Healing', 'Stalled']
const FORMING: readonly ClusterState[] = ['Creating', 'Meeting', 'Slotting']
const STAGES = { Forming: FORMING, Restoring: ['Restoring'], Formed: FORMED } as const
const FINDINGS = [...FINDING_TYPES, 'Sound'] as const

test.each(FINDINGS)('%s has one answer from every formed state', (finding) => {
  const answers = FORMED.map((state) => nextState(state, 'Formed', finding))
  // What only forming knows keeps the state; everything else has one answer.
  expect(new Set(answers).size).toBe(1)
})

test.each(FINDINGS)('looking twice at %s changes nothing', (finding) => {
  for (const [stage, states] of Object.entries(STAGES) as [LifeStage, readonly ClusterState[]][]) {
    for (const state of states) {
      const once = nextState(state, stage, finding)
      if (once !== 'Deleting') expect(nextState(once, FORMED.includes(once) ? 'Formed' : stage, finding)).toBe(once)
    }
  }
})

test.each(FINDINGS)('from formed, %s never leads back to forming', (finding) => {
  for (const state of [...CLUSTER_STATES, 'FromTheFuture', ''])
    expect(FORMING).not.toContain(nextState(state, 'Formed', finding))
})

test('a stored name that contradicts the history starts at the right compound', () => {
  expect(nextState('Healthy', 'Forming', 'NodesIsolated')).toBe('Meeting')
  expect(nextState('Slotting', 'Formed', 'PrimaryDown')).toBe('Healing')
  expect(nextState('FromTheFuture', 'Formed', 'Sound')).toBe('Healthy')
  expect(nextState('Stalled', 'Restoring', 'PodsMissing')).toBe('Restoring')
  expect(nextState('', 'Restoring', 'PrimaryDown')).toBe('Restoring')
})

test('every state is reachable', () => {
  const paths = getShortestPaths(clusterLifecycle, {
    events: FINDINGS.map((type) => ({ type })),
    serializeState: (state) => JSON.stringify(state.value),
  })
  expect(paths).toHaveLength(CLUSTER_STATES.length)
  expect(nextState('', 'Restoring', 'Sound')).toBe('Healthy')
})

test('a restore that was ordered leads from every formed state to restoring, and back only what is whole or stalls', () => {
  for (const state of FORMED) expect(nextState(state, 'Formed', 'RestoreOrdered')).toBe('Restoring')
  const ends = new Set(FINDINGS.map((finding) => nextState('Restoring', 'Restoring', finding)))
  expect(ends).toEqual(new Set(['Restoring', 'Healthy', 'Stalled', 'Deleting']))
})

test('volumes are replaced in no state but that of restoring', () => {
  expect(CLUSTER_STATES.filter((state) => allows(state, 'ReplaceVolumes'))).toEqual(['Restoring'])
})

test('no state but those of forming may assign slots, and only restoring and healing may forget', () => {
  expect(CLUSTER_STATES.filter((state) => allows(state, 'AssignSlots'))).toEqual(['Meeting', 'Slotting'])
  expect(CLUSTER_STATES.filter((state) => allows(state, 'ForgetNode'))).toEqual(['Restoring', 'Healing'])
  expect(metaOf('Healthy').allows).not.toContain('FailOver')
})
