/** An answer of names and values in turn, as CONFIG GET gives it, as a record. */
export function pairs(answer: unknown): Readonly<Record<string, string>> {
  if (!Array.isArray(answer)) return {}
  const out: Record<string, string> = {}
  for (let index = 0; index + 1 < answer.length; index += 2) out[String(answer[index])] = String(answer[index + 1])
  return out
}
