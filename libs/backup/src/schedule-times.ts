import { Cron } from 'croner'

/** Times of the schedule are counted up to so many: who was away for longer has missed more. */
const MOST_COUNTED = 100

/** When a schedule is due; or, where it can't be read, why. */
export type ScheduleTimes =
  | {
      /** The latest time that has come since, Unix ms; null when none has. */
      readonly due: number | null
      /** How many times have come since, the latest among them; 100 at most. */
      readonly count: number
      /** The next time, Unix ms; null when there is none any more. */
      readonly next: number | null
    }
  | { readonly problem: string }

/**
 * Reads a schedule of cron (croner, Vixie's five fields and the nicknames). A time that a change of clocks leaves out is
 * taken right after it, one that comes twice is taken once.
 *
 * @param since Unix ms, not included
 * @param now Unix ms, included
 */
export function scheduleTimes(schedule: string, timeZone: string, since: number, now: number): ScheduleTimes {
  if (!schedule.startsWith('@') && schedule.trim().split(/\s+/).length !== 5)
    return { problem: 'spec.schedule: it has five fields, as 0 3 * * *: minute, hour, day, month, weekday' }
  try {
    return timesOf(new Cron(schedule, { timezone: timeZone, paused: true }), since, now)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return {
      problem: /time ?zone/i.test(said)
        ? `spec.timeZone: ${said}. Give a name of the IANA database, as Europe/Zurich`
        : `spec.schedule: ${said}. Write it as 0 3 * * *: minute, hour, day, month, weekday`,
    }
  }
}

function timesOf(cron: Cron, since: number, now: number): ScheduleTimes {
  const next = cron.nextRun(new Date(now))?.getTime() ?? null
  // What is asked for is before that time, and what is due now has come.
  const due = cron.previousRuns(1, new Date(now + 1))[0]?.getTime() ?? null
  if (due === null && next === null)
    return { problem: 'spec.schedule: that time never comes. Take a day that its month has' }
  if (due === null || due <= since) return { due: null, count: 0, next }
  let count = 0
  for (let at = cron.nextRun(new Date(since)); at !== null && at.getTime() <= now; at = cron.nextRun(at)) {
    count += 1
    if (count === MOST_COUNTED) break
  }
  return { due, count: Math.max(1, count), next }
}
