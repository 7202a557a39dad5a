const REMEMBERED = 16

/**
 * Tells, for each place where a list goes on, whether it is one of the last that were told: a list that goes round never
 * ends.
 */
export function repeats(): (place: string) => boolean {
  const last: string[] = []
  return (place) => {
    if (last.includes(place)) return true
    last.push(place)
    if (last.length > REMEMBERED) last.shift()
    return false
  }
}
