/**
 * Undoes LZF (`lzf_d.c`, which Redis and Valkey compress strings with).
 *
 * @param size what it must come to, in bytes
 * @returns null if the bytes are not LZF, or come to another size
 */
export function decompressLzf(source: Uint8Array, start: number, end: number, size: number): Buffer | null {
  // A run of three bytes gives 264 at most: a larger claim is refused before memory is taken for it.
  if (size > (end - start) * 264) return null
  const out = Buffer.allocUnsafe(size)
  let from = start
  let to = 0
  while (from < end) {
    const control = source[from++] as number
    if (control < 32) {
      const count = control + 1
      if (from + count > end || to + count > size) return null
      out.set(source.subarray(from, from + count), to)
      from += count
      to += count
    } else {
      let count = control >> 5
      if (count === 7) count += source[from++] ?? Number.NaN
      let back = to - ((control & 31) << 8) - (source[from++] ?? Number.NaN) - 1
      count += 2
      if (!(back >= 0 && to + count <= size && from <= end)) return null
      while (count-- > 0) out[to++] = out[back++] as number
    }
  }
  return to === size ? out : null
}
