import { expect, test } from 'vitest'
import { hash } from './hash.ts'

// These bytes are in annotations of running pods. A change here restarts every pod of every user: give the new
// algorithm the prefix v2 instead.
test.each([
  [{}, 'v1:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'],
  [
    { image: 'valkey:9.1', args: ['start'], env: { B: '2', A: 'ä "quoted"' }, port: 6379, ratio: 0.75 },
    'v1:0a7c654fd9b985182ea2ff7c538339d4188a2ad891df085ca6c53a309034974d',
  ],
])('pinned bytes of %j', (value, pinned) => {
  expect(hash(value)).toBe(pinned)
})
