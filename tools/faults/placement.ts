import type { Trial } from './trial.ts'

/** The nodes of the local platform. */
export const NODES = ['node1', 'node2', 'node3']

/** A node that carries neither the controller nor NATS: what is lost with it must be the cluster's alone. */
export async function bystanderOf({ ground, random }: Trial): Promise<string> {
  const taken = await ground.controller.nodes()
  return random.pick(NODES.filter((node) => !taken.includes(node)))
}

/** Numbers of the shards that have a member on a node. */
export function shardsOn(trial: Trial, node: string): readonly number[] {
  return trial.allShards.filter((shard) => memberOn(trial, shard, (one) => one === node) !== undefined)
}

/**
 * Puts the primaries of these shards on a node and all others elsewhere, as after a history of failovers; then waits as
 * long as the servers refuse to move a role again. What was told until then is no part of the trial.
 */
export async function place(trial: Trial, node: string, shards: readonly number[]): Promise<void> {
  for (const { shard, primary } of await trial.shards()) {
    const isWanted = (one: string): boolean => (one === node) === shards.includes(shard)
    if (isWanted(trial.pod(primary).node)) continue
    const heir = memberOn(trial, shard, isWanted)
    if (heir === undefined) throw new Error(`shard ${shard} has no member to move the role to`)
    await trial.control(heir, (client) => client.cluster('FAILOVER'))
    await trial.sees(`${heir} is the primary of shard ${shard}`, ({ topology }) => topology?.[shard]?.primary === heir)
  }
  await trial.stage.healthy(trial.name)
  await trial.ground.controller.renewals(3)
  await trial.startOver()
}

function memberOn(trial: Trial, shard: number, isWanted: (node: string) => boolean): string | undefined {
  return trial.watch.pods().find((pod) => pod.name.startsWith(`${trial.name}-${shard}-`) && isWanted(pod.node))?.name
}
