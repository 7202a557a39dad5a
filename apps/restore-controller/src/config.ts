import { hostEnvironment, readConfig as readHostConfig } from '@slotkeeper/controller-host'
import { z } from 'zod'

const environment = hostEnvironment('restore-controller').extend({
  /** The image of agents; absent: that of this process's own pod. */
  SLOTKEEPER_IMAGE: z.string().min(1).optional(),
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
