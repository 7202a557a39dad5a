import type { Scenario } from './scenario.ts'
import { creation } from './scenarios/creation.ts'
import { eventLatency } from './scenarios/event-latency.ts'
import { formation } from './scenarios/formation.ts'
import { idle } from './scenarios/idle.ts'

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [formation, idle, creation, eventLatency]
