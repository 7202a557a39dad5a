import { redisBackupScheduleSpec, type RedisBackupScheduleSpec } from '@slotkeeper/api'
import type { Obj } from '@slotkeeper/controller'
import { parseObject } from '@slotkeeper/controller-host'
import type { ScheduleStatus } from '@slotkeeper/events'
import type { KubeObject } from '@slotkeeper/k8s'

/** A RedisBackupSchedule as this controller works with it. */
export type ScheduleObject = Obj<RedisBackupScheduleSpec, ScheduleStatus>

/** Reads a RedisBackupSchedule. */
export const parseSchedule = (object: KubeObject): ScheduleObject =>
  parseObject<RedisBackupScheduleSpec, ScheduleStatus>(object, (spec) => redisBackupScheduleSpec.parse(spec))
