import { pino, type Logger as PinoLogger } from 'pino'
import { redacted, withoutUserInfo } from './redacted.ts'

/** Writes JSON lines to stdout. What a field named like a secret holds is never written, however deep it lies. */
export type Logger = PinoLogger

/** Plain names of fields whose values never leave the process; names that contain one of the stems do not either. */
export const secretFields = [
  'password',
  'masterauth',
  'requirepass',
  'token',
  'Authorization',
  'creds',
  'stringData',
  'control-password',
  'clientSecret',
  'privateKey',
]

const stems = 'passw|auth$|requirepass|token$|authorization|creds|credential|secret$|stringdata|cookie|private.?key'
const secretName = new RegExp(stems, 'i')

/** A logger for a process; `write` is for tests. */
export function createLogger(options: {
  readonly level: string
  readonly name: string
  readonly write?: (line: string) => void
}): Logger {
  const settings = {
    level: options.level,
    base: { app: options.name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: object) => redacted(fields, secretName) as Record<string, unknown>,
    },
    // Errors are plain already when serializers see them.
    serializers: { err: (error: unknown) => error },
    hooks: { streamWrite: withoutUserInfo },
  }
  return withRedactedChildren(options.write === undefined ? pino(settings) : pino(settings, { write: options.write }))
}

/** The fields of a child are written without the formatters; children inherit this, and theirs do. */
function withRedactedChildren(log: Logger): Logger {
  const child = log.child as (fields: object, options?: object) => unknown
  const redactedChild = function (this: Logger, fields: object, options?: object): unknown {
    return child.call(this, redacted(fields, secretName) as object, options)
  }
  return Object.assign(log, { child: redactedChild as Logger['child'] })
}
