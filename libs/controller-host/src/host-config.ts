import { z } from 'zod'

/**
 * The settings that every controller has, as its environment names them; an app extends them with its own.
 *
 * @param name of the app: what the pod is called where nobody says
 */
export function hostEnvironment(name: string) {
  return z.object({
    SLOTKEEPER_WATCH_NAMESPACES: z.string().default(''),
    SLOTKEEPER_NAMESPACE: z.string().default('slotkeeper-system'),
    SLOTKEEPER_POD_NAME: z.string().default(name),
    SLOTKEEPER_CONTROLLER_POD_UID: z.string().default(''),
    SLOTKEEPER_NATS_URL: z.string().default('nats://nats:4222'),
    SLOTKEEPER_NATS_CREDS_FILE: z.string().optional(),
    SLOTKEEPER_NATS_CA_FILE: z.string().optional(),
    SLOTKEEPER_NATS_PREFIX: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/)
      .default('redis'),
    SLOTKEEPER_NATS_STREAM_NAME: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/)
      .default('REDIS_LIFECYCLE'),
    SLOTKEEPER_NATS_STREAM: z.enum(['ensure', 'verify']).default('ensure'),
    /** User and group of the pods that it makes; `platform`: whoever the platform chooses (OpenShift). */
    SLOTKEEPER_POD_UID: z.union([z.literal('platform'), z.coerce.number().int().min(1)]).default(999),
    SLOTKEEPER_LEASE_SECONDS: z.coerce.number().int().min(10).max(120).default(15),
    SLOTKEEPER_CONCURRENCY: z.coerce.number().int().min(1).max(64).default(8),
    SLOTKEEPER_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
    SLOTKEEPER_PROBE_PORT: z.coerce.number().int().default(8081),
    SLOTKEEPER_METRICS_PORT: z.coerce.number().int().default(8080),
    KUBECONFIG: z.string().optional(),
  })
}

type HostEnvironment = z.infer<ReturnType<typeof hostEnvironment>>

/** The settings of any controller's process; an app's own are in addition. */
export type HostConfig = HostEnvironment & {
  /** Empty: all of them. */
  readonly watchNamespaces: readonly string[]
}

/**
 * Reads the settings from the environment.
 *
 * @param environment `hostEnvironment`, extended with the app's own settings
 * @throws Error that names every variable that is wrong, and what it should be
 */
export function readConfig<E extends HostEnvironment>(
  environment: z.ZodType<E>,
  env: Readonly<Record<string, string | undefined>>,
): E & HostConfig {
  const parsed = environment.safeParse(env)
  if (!parsed.success) {
    throw new Error(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
  }
  const watchNamespaces = parsed.data.SLOTKEEPER_WATCH_NAMESPACES.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return { ...parsed.data, watchNamespaces }
}
