import { expect, test } from 'vitest'
import { unfitness } from './unfitness.ts'

test.each([
  ['redis_version:7.0.15\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n', null],
  ['redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.0\r\n', null],
  ['redis_version:6.2.14\r\n', /^is version 6\.2\.14: .*REPLICAOF/],
  ['server:something else\r\n', /^does not say its version/],
  [
    'redis_version:8.0.2\r\ndb0:keys=3,expires=0\r\ndb1:keys=20,expires=1\r\ndb15:keys=1,expires=0\r\n',
    /^has keys in db1 \(20 keys\), db15 \(1 keys\): .*MOVE/,
  ],
])('%j: %s', (info, reason) => {
  if (reason === null) expect(unfitness(info)).toBeNull()
  else expect(unfitness(info)).toMatch(reason)
})
