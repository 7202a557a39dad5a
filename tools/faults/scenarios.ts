import type { Scenario } from './scenario.ts'
import { deaths } from './scenarios/deaths.ts'

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [...deaths]
