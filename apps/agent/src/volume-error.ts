import { AgentError } from './agent-error.ts'

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/**
 * Does something with a volume; what the system says becomes a sentence.
 *
 * @throws AgentError `VolumeTooSmall` where there is no room left, `Unexpected` for all else that the system says
 */
export async function volumeError<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = codeOf(error)
    if (code === '') throw error
    if (FULL.has(code)) throw new AgentError('VolumeTooSmall', `the volume has no room left (${code})`)
    throw new AgentError('Unexpected', `${doing} on the volume failed: ${code}`)
  }
}

/** The code of an error of the system, or an empty text. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
