import { sameSetting } from '@slotkeeper/redis-topology'
import { clusterCalls } from './cluster-calls.ts'
import { pairs } from './pairs.ts'
import { RedisError, type RedisNode } from './redis-node.ts'

/**
 * Sets settings on a running server and reads them back.
 *
 * @param settings value by name, as it would stand in redis.conf
 * @param timeoutMs for dial and answers together, in milliseconds
 * @returns null when the server holds them all; else which one it refuses, and why
 * @throws RedisError when it could not be asked, or is not ready to answer
 */
export async function configureNode(
  node: RedisNode,
  settings: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<string | null> {
  const wanted = Object.entries(settings)
  const sets = wanted.map(([name, value]) => clusterCalls.set(name, value))
  const answers = await node.pipeline([...sets, clusterCalls.get(Object.keys(settings))], timeoutMs)
  for (const answer of answers) if (answer instanceof RedisError && answer.reason !== 'Answered') throw answer
  const held = pairs(answers.at(-1))
  for (const [index, [name, value]] of wanted.entries()) {
    const answer = answers[index]
    if (answer instanceof RedisError) return `${name}: ${answer.message}`
    // Set again and again it would never be as it is wanted.
    if (!sameSetting(name, value, held[name] ?? '')) return `${name}: it is kept as "${held[name]}": write it like that`
  }
  return null
}
