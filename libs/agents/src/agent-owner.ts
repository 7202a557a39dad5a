import { GROUP, VERSION } from '@slotkeeper/api'
import type { Key } from '@slotkeeper/controller'
import { type KubeObject, type OwnerReference, redisRestores, type ResourceDescriptor } from '@slotkeeper/k8s'

/** Whose an agent is; the kind in one word, as `backup`. */
export type AgentOwner = Key & { readonly uid: string; readonly kind: string }

/** The label of an owner's agents, as `backup.nightly`. */
export const agentOf = ({ kind, name }: Pick<AgentOwner, 'kind' | 'name'>): string => `${kind}.${name}`

/** How what is made for an owner names it: it goes with it, and not before. `resource` is the kind of the owner. */
export const ownerOf = ({ kind }: ResourceDescriptor, { name, uid }: AgentOwner): OwnerReference => ({
  apiVersion: `${GROUP}/${VERSION}`,
  kind,
  name,
  uid,
  controller: true,
  blockOwnerDeletion: true,
})

/** The uid of the restore whose copy a RedisBackup is; undefined where it is none. */
export const copiedFor = ({ metadata: { ownerReferences = [] } }: KubeObject): string | undefined =>
  ownerReferences.find((one) => one.controller === true && one.kind === redisRestores.kind)?.uid
