/**
 * One text per JSON value: keys in code unit order, no blanks, absent and undefined fields alike. Throws for what is
 * not JSON and names where it is, because a hash that silently left something out would hide a change.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', [])
}

function write(value: unknown, path: string, above: readonly object[]): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw notJson(String(value), path)
      return JSON.stringify(value)
    case 'object':
      return value === null ? 'null' : writeObject(value, path, above)
    default:
      throw notJson(typeof value, path)
  }
}

function writeObject(value: object, path: string, above: readonly object[]): string {
  if (above.includes(value)) throw notJson('a cycle', path)
  const below = [...above, value]
  if (Array.isArray(value)) {
    // Array.from also visits the holes, which map would pass over.
    return `[${Array.from(value, (item: unknown, index) => write(item, `${path}[${index}]`, below)).join(',')}]`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw notJson('an instance of a class', path)
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${write(field, `${path}.${name}`, below)}`).join(',')}}`
}

function notJson(what: string, path: string): TypeError {
  return new TypeError(`${path} is ${what}, which is not JSON`)
}
