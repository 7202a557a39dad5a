import type { PassReport, RunningController } from '@slotkeeper/controller'
import type { Kind } from './kind.ts'
import type { Leading } from './lead.ts'
import { tellUnwritten } from './notes.ts'

/** Tells of a pass in metrics, log and, where the status cannot say it, on the object. */
export function reportPass(
  { metrics, log, recorder }: Leading,
  { resource, eventKind }: Pick<Kind, 'resource' | 'eventKind'>,
  report: PassReport,
  size: ReturnType<RunningController<never>['size']> | undefined,
): void {
  const controller = resource.plural
  metrics.reconciles.inc({ controller, result: report.result })
  metrics.reconcileSeconds.observe({ controller }, report.durationMs / 1000)
  metrics.queueAdds.inc({ name: controller })
  if (size !== undefined) {
    metrics.outboxEntries.set({ controller }, size.unpublished)
    metrics.queueDepth.set({ name: controller }, size.due)
    metrics.activeWorkers.set({ controller }, size.working)
  }
  const problem = report.unwritten?.message ?? (report.error instanceof Error ? report.error.message : undefined)
  if (report.result === 'Failed') metrics.reconcileErrors.inc({ controller })
  if (report.unwritten !== undefined) tellUnwritten(recorder, resource, report.key, report.unwritten)
  const told = report.committed || report.commands.length > 0
  const level = report.result === 'Failed' || report.unwritten !== undefined ? 'warn' : told ? 'info' : 'debug'
  log[level](
    {
      [eventKind]: `${report.key.namespace}/${report.key.name}`,
      result: report.result,
      commands: report.commands,
      ms: Math.round(report.durationMs),
      ...(problem === undefined ? {} : { problem }),
    },
    'pass',
  )
}
