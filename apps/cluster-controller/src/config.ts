import { hostEnvironment, readConfig as readHostConfig } from '@slotkeeper/controller-host'
import { z } from 'zod'

const environment = hostEnvironment('cluster-controller').extend({
  SLOTKEEPER_NODE_LOSS_SECONDS: z.coerce.number().int().min(10).max(86_400).default(300),
})

/** The settings of the controller's process. */
export type Config = ReturnType<typeof readConfig>

/**
 * Reads the settings from the environment.
 *
 * @throws Error that names every variable that is wrong, and what it should be
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>) {
  return readHostConfig(environment, env)
}
