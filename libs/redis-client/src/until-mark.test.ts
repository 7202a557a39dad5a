import fc from 'fast-check'
import { expect, test } from 'vitest'
import { untilMark } from './until-mark.ts'

test('however it is cut into pieces, the file comes out whole, and without the mark', async () => {
  // Of few different bytes, so that the file is full of what looks like the beginning of the mark.
  const bytes = (size: { readonly minLength: number; readonly maxLength: number }): fc.Arbitrary<Buffer> =>
    fc.array(fc.constantFrom(97, 98), size).map((all) => Buffer.from(all))
  await fc.assert(
    fc.asyncProperty(
      bytes({ minLength: 0, maxLength: 60 }),
      bytes({ minLength: 6, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 70, maxLength: 70 }),
      async (file, end, cuts) => {
        const mark = Buffer.concat([Buffer.from('!'), end])
        let left = Buffer.concat([file, mark])
        const sizes = [...cuts]
        const next = async (): Promise<Buffer> => {
          const piece = left.subarray(0, sizes.shift())
          left = left.subarray(piece.length)
          return piece
        }
        const out: Buffer[] = []
        for await (const piece of untilMark(next, mark)) out.push(piece)
        expect(Buffer.concat(out).toString()).toBe(file.toString())
      },
    ),
  )
})
