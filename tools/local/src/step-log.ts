/** Where progress goes, a line at a time. */
export type Log = (line: string) => void

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`

/** Does one step, says how long it took, and every ten seconds that it still goes on. */
export async function step<T>(log: Log, what: string, work: (progress: Log) => Promise<T>): Promise<T> {
  const start = Date.now()
  let latest = ''
  const ticker = setInterval(() => {
    log(`... ${what}: ${seconds(start)}${latest === '' ? '' : `, ${latest}`}`)
  }, 10_000)
  try {
    const result = await work((line) => (latest = line.slice(0, 100)))
    log(`ok  ${what} (${seconds(start)})`)
    return result
  } catch (error) {
    log(`FAILED ${what} after ${seconds(start)}`)
    throw error
  } finally {
    clearInterval(ticker)
  }
}
