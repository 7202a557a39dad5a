/** The longest sentence that the schemas of the statuses take. */
const MOST = 1_024

type Sentences = { readonly message?: string; readonly objectsLeft?: string }

/** A status whose sentences the API server takes: a longer one would keep the whole of it from being written. */
export function withinBounds<S extends Sentences>(status: S): S {
  const { message, objectsLeft } = status
  return {
    ...status,
    ...(message === undefined ? {} : { message: message.slice(0, MOST) }),
    ...(objectsLeft === undefined ? {} : { objectsLeft: objectsLeft.slice(0, MOST) }),
  }
}
