import type { AgentStep } from './backup-case.ts'

/**
 * The name of an agent's Job, at most 63 characters for a name of 40: `<name>-<8 of the uid>-<step>[-<part>]-<attempt>`.
 * The uid keeps it apart from one of an earlier object of that name.
 */
export function agentName(
  of: { readonly name: string; readonly uid: string },
  step: AgentStep,
  attempt: number,
  part?: number,
): string {
  const middle = part === undefined ? '' : `-${part}`
  return `${of.name}-${of.uid.replaceAll('-', '').slice(0, 8)}-${step}${middle}-${attempt}`
}
