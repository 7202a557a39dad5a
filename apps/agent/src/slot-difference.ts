/**
 * What is wrong with the keys of a server's slots, in words; null when nothing is. Keys may be missing whose time was over.
 *
 * @param planned how many keys each slot is to have
 * @param found how many it has
 * @param gone how many have gone since their time was over, when they were loaded or since; and how many may have gone with
 *   their last field, which servers do not count
 */
export function slotDifference(
  planned: ArrayLike<number>,
  found: ArrayLike<number>,
  { expired, endingHashes = 0 }: { readonly expired: number; readonly endingHashes?: number },
): string | null {
  let missing = 0
  for (let slot = 0; slot < planned.length; slot++) {
    const [expected = 0, there = 0] = [planned[slot], found[slot]]
    if (there > expected) return `slot ${slot}: ${expected} keys expected, ${there} found`
    missing += expected - there
  }
  if (missing <= expired + endingHashes) return null
  const hashes = endingHashes === 0 ? '' : `, and ${endingHashes} hashes have fields that end`
  return `${missing} keys are missing in their slots, of which ${expired} expired${hashes}`
}
