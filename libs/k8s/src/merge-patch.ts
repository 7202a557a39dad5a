/** A JSON object. */
export type JsonMap = Readonly<Record<string, unknown>>

/**
 * The JSON merge patch that turns `before` into `after`: null for a field that is gone, at every depth of maps;
 * an array is replaced whole. Undefined when there is nothing to change. Undefined and null fields count as absent.
 */
export function mergePatchOf(before: JsonMap, after: JsonMap): JsonMap | undefined {
  const patch: Record<string, unknown> = {}
  for (const name of Object.keys(before)) if (isPresent(before[name]) && !isPresent(after[name])) patch[name] = null
  for (const [name, value] of Object.entries(after)) {
    if (!isPresent(value)) continue
    const old = before[name]
    // Over something that is no map, a merge patch builds a new map of its own, so the whole value is the patch.
    const change = isMap(value) ? mapChange(old, value) : sameJson(old, value) ? undefined : value
    if (change !== undefined) patch[name] = change
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}

function mapChange(old: unknown, value: JsonMap): JsonMap | undefined {
  return isMap(old) ? mergePatchOf(old, value) : (mergePatchOf({}, value) ?? {})
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Equality of JSON values, whatever the order of fields. */
function sameJson(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => sameJson(item, other[index]))
  }
  if (!isMap(one) || !isMap(other)) return one === other
  const names = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...names].every((name) => sameJson(one[name], other[name]))
}
