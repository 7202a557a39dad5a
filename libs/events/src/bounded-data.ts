/** The most bytes that the data of one event may have as JSON, so that a status with 32 of them stays small. */
export const dataBytes = 640

const encoder = new TextEncoder()

/** Cuts a text to so many characters, and shows that it was cut. */
export const cutText = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`

/** The observations worth keeping: three, each short. */
export const cutEvidence = (evidence: readonly string[] | undefined): string[] =>
  (evidence ?? []).slice(0, 3).map((each) => cutText(each, 80))

/** The paths that fit and the number of those that do not. */
export const cutPaths = (paths: readonly string[]): { readonly paths: string[]; readonly more: number } => {
  const kept: string[] = []
  for (const path of paths.slice(0, 10)) {
    if (sizeOf([...kept, path]) > dataBytes / 2) break
    kept.push(path)
  }
  return { paths: kept, more: paths.length - kept.length }
}

/** Shortens the message until the data fits; everything else in it is bounded where it is made. */
export const boundedData = <D extends { readonly message: string }>(data: D): D => {
  let bounded = data
  for (let length = data.message.length; sizeOf(bounded) > dataBytes && length > 16; length = Math.floor(length / 2)) {
    bounded = { ...data, message: cutText(data.message, length) }
  }
  return bounded
}

const sizeOf = (value: unknown): number => encoder.encode(JSON.stringify(value)).length
