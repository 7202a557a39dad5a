import { pino, type Logger as PinoLogger } from 'pino'

/** Writes JSON lines to stdout. Secrets never get through, whatever object holds them. */
export type Logger = PinoLogger

/** Names of fields whose values never leave the process. */
const SECRET_FIELDS = ['password', 'masterauth', 'requirepass', 'token', 'authorization', 'creds', 'stringData', 'control-password', 'probe-password']

/** A logger for a process; `write` is for tests. */
export function createLogger(options: { readonly level: string; readonly name: string; readonly write?: (line: string) => void }): Logger {
  const paths = SECRET_FIELDS.flatMap((field) => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`])
  const settings = {
    level: options.level,
    base: { app: options.name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths, censor: '[redacted]' },
  }
  return options.write === undefined ? pino(settings) : pino(settings, { write: options.write })
}
