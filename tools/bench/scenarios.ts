import type { Scenario } from './scenario.ts'
import { backup } from './scenarios/backup.ts'
import { creation } from './scenarios/creation.ts'
import { eventLatency } from './scenarios/event-latency.ts'
import { formation } from './scenarios/formation.ts'
import { idle } from './scenarios/idle.ts'
import { leadChange } from './scenarios/lead-change.ts'
import { majorityLost } from './scenarios/majority-lost.ts'
import { nodeCut } from './scenarios/node-cut.ts'
import { podsDeleted } from './scenarios/pods-deleted.ts'
import { primaryLost } from './scenarios/primary-lost.ts'
import { repair } from './scenarios/repair.ts'
import { restore } from './scenarios/restore.ts'

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  formation,
  repair,
  backup,
  restore,
  idle,
  leadChange,
  creation,
  primaryLost,
  podsDeleted,
  majorityLost,
  nodeCut,
  eventLatency,
]
