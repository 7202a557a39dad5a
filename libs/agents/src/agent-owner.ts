import type { Key } from '@slotkeeper/controller'

/** Whose an agent is; the kind in one word, as `backup`. */
export type AgentOwner = Key & { readonly uid: string; readonly kind: string }

/** The label of an owner's agents, as `backup.nightly`. */
export const agentOf = ({ kind, name }: Pick<AgentOwner, 'kind' | 'name'>): string => `${kind}.${name}`
