import { type AgentPlan, agentPlan } from '@slotkeeper/backup'
import { AgentError } from './agent-error.ts'

/**
 * Reads what is to be done.
 *
 * @param text the environment variable SLOTKEEPER_PLAN
 * @throws AgentError `PlanRefused` that names the field
 */
export function readPlan(text: string | undefined): AgentPlan {
  if (text === undefined || text === '') throw new AgentError('PlanRefused', 'SLOTKEEPER_PLAN is not set')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AgentError('PlanRefused', 'SLOTKEEPER_PLAN is no JSON')
  }
  const { success, data, error } = agentPlan.safeParse(value)
  if (success) return data
  const [first] = error.issues
  const where = first?.path.map(String).join('.') ?? ''
  throw new AgentError('PlanRefused', `SLOTKEEPER_PLAN: ${where === '' ? '' : `${where}: `}${first?.message}`)
}
