import { z } from 'zod'
import { crdOf, type Schema } from './crd.ts'
import { backupFields, backupRules } from './redis-backup.ts'
import { conditionsPart, runtimeParts } from './status-parts.ts'

/** The spec of a RedisBackupSchedule. */
export const redisBackupScheduleSpec = z.object({
  schedule: z
    .string()
    .min(1)
    .max(128)
    .describe(
      'When, in the five fields of cron (minute, hour, day, month, weekday), or @hourly, @daily, @weekly, @monthly.',
    ),
  timeZone: z.string().min(1).max(64).default('UTC').describe('By its name in the IANA database, as Europe/Zurich.'),
  suspend: z.boolean().default(false).describe('No backup is begun meanwhile. What runs goes on.'),
  immediate: z.boolean().default(false).describe('Make one as soon as the schedule is created.'),
  concurrencyPolicy: z
    .enum(['Forbid', 'Allow', 'Replace'])
    .default('Forbid')
    .describe('When the one before has not ended: wait for it, begin another beside it, or delete it.'),
  startingDeadlineSeconds: z
    .int()
    .min(10)
    .max(2_592_000)
    .optional()
    .describe('A run that could not begin by then is missed. Absent: the last one that was missed is made up for.'),
  failedHistoryLimit: z
    .int()
    .min(0)
    .max(100)
    .default(1)
    .describe('Failed backups to keep. Completed ones are kept by the retentionPolicy of their storage.'),
  template: z
    .object(backupFields)
    .meta({ 'x-kubernetes-validations': backupRules('spec.template') })
    .describe('The spec of each RedisBackup.'),
})

/** The spec of a RedisBackupSchedule. */
export type RedisBackupScheduleSpec = z.infer<typeof redisBackupScheduleSpec>

const redisBackupScheduleStatus = z.object({
  observedGeneration: z.int().optional(),
  state: z.string().max(32).optional(),
  deleted: z.boolean().optional(),
  pending: z.object({ name: z.string().max(63), scheduledAt: z.string().max(40) }).optional(),
  lastScheduleTime: z.string().max(40).optional(),
  lastBackup: z.string().max(63).optional(),
  lastSuccessfulTime: z.string().max(40).optional(),
  nextScheduleTime: z.string().max(40).optional(),
  missed: z.int().optional(),
  active: z.array(z.string().max(63)).max(64).optional(),
  reason: z.string().max(64).optional(),
  message: z.string().max(1024).optional(),
  ...runtimeParts,
  conditions: conditionsPart,
})

/** The CustomResourceDefinition of RedisBackupSchedule. */
export function redisBackupScheduleCrd(): Schema {
  return crdOf({
    kind: 'RedisBackupSchedule',
    description: 'Makes a RedisBackup at each of its times.',
    plural: 'redisbackupschedules',
    shortName: 'rdbsch',
    columns: [
      { name: 'Schedule', type: 'string', jsonPath: '.spec.schedule' },
      { name: 'State', type: 'string', jsonPath: '.status.state' },
      { name: 'Next', type: 'string', jsonPath: '.status.nextScheduleTime' },
      { name: 'Last success', type: 'date', jsonPath: '.status.lastSuccessfulTime' },
      { name: 'Last', type: 'string', jsonPath: '.status.lastBackup', priority: 1 },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    name: { most: 27, why: 'backups are named after it and the time' },
    spec: redisBackupScheduleSpec,
    status: redisBackupScheduleStatus,
  })
}
