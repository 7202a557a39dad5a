/**
 * Says in CEL that optional parts are what they were.
 *
 * @param path of what they are in, with a dot at its end; empty for the object itself
 */
export const sameIn = (path: string, names: readonly string[]): string =>
  names
    .map((name) => [`self.${path}${name}`, `oldSelf.${path}${name}`] as const)
    .map(([now, before]) => `has(${now}) == has(${before}) && (!has(${now}) || ${now} == ${before})`)
    .join(' && ')
