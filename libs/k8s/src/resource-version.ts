/** Whether one resourceVersion is at least as new as another; versions that are no numbers only equal themselves. */
export function isAtLeastVersion(version: string, other: string): boolean {
  if (version === other) return true
  if (!isNumber(version) || !isNumber(other)) return false
  return version.length === other.length ? version > other : version.length > other.length
}

function isNumber(version: string): boolean {
  return /^[1-9][0-9]*$/.test(version)
}
