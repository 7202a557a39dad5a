const censor = '[redacted]'
const deepest = 8

/** A copy for the log: values of fields whose name is a secret's are gone at any depth, errors are plain objects. */
export function redacted(value: unknown, secretName: RegExp, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value
  if (depth > deepest) return '[deeper]'
  if (value instanceof Error) return redactedError(value, secretName, depth)
  if (value instanceof Date) return value
  // Bytes have no names that could tell what they are: they may be a secret's.
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) return value.map((each) => redacted(each, secretName, depth + 1))
  const fields = value instanceof Map ? Object.fromEntries(value) : value
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      secretName.test(name) ? censor : redacted(field, secretName, depth + 1),
    ]),
  )
}

/** A line without the user part of URLs, where passwords travel. */
export function withoutUserInfo(line: string): string {
  return line.replace(/:\/\/[^@/\s"\\]+@/g, `://${censor}@`)
}

function redactedError(error: Error, secretName: RegExp, depth: number): object {
  const { name, message, stack, cause } = error
  const own = redacted({ ...error }, secretName, depth + 1) as object
  return {
    ...own,
    name,
    message,
    stack,
    ...(cause === undefined ? {} : { cause: redacted(cause, secretName, depth + 1) }),
  }
}
