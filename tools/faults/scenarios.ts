import type { Scenario } from './scenario.ts'
import { connectionScenarios } from './scenarios/connections.ts'
import { controllers } from './scenarios/controllers.ts'
import { deaths } from './scenarios/deaths.ts'
import { deletions } from './scenarios/deletions.ts'
import { members } from './scenarios/members.ts'
import { memory } from './scenarios/memory.ts'
import { nodes } from './scenarios/nodes.ts'
import { partitions } from './scenarios/partitions.ts'
import { restoredClusters } from './scenarios/restored.ts'
import { reinstallation } from './scenarios/reinstallation.ts'

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  ...deaths,
  ...deletions,
  ...partitions,
  ...controllers,
  ...nodes,
  ...connectionScenarios,
  ...memory,
  ...members,
  ...restoredClusters,
  ...reinstallation,
]
