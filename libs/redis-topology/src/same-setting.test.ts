import { expect, test } from 'vitest'
import { sameSetting } from './same-setting.ts'

test.each([
  ['maxmemory-policy', 'allkeys-lru', 'allkeys-lru'],
  ['maxmemory-policy', 'AllKeys-LRU', 'allkeys-lru'],
  ['repl-backlog-size', '16mb', '16777216'],
  ['repl-backlog-size', '16MB', '16777216'],
  ['repl-backlog-size', '1g', '1000000000'],
  ['maxmemory-clients', '5%', '5%'],
  ['lazyfree-lazy-expire', 'YES', 'yes'],
  ['latency-tracking-info-percentiles', '50.0 99 99.90', '50 99 99.9'],
  ['oom-score-adj-values', '0  200 800', '0 200 800'],
  ['notify-keyspace-events', 'KEA', 'AKE'],
  ['notify-keyspace-events', 'Eg$lshzxetd', 'AE'],
  ['notify-keyspace-events', '""', ''],
  ['shutdown-on-sigterm', 'save Force', 'save force'],
  ['client-output-buffer-limit', 'replica 256mb 64mb 60', 'normal 0 0 0 slave 268435456 67108864 60 pubsub 1 1 60'],
  ['client-output-buffer-limit', 'normal 0 0 0 pubsub 1 1 60', 'normal 0 0 0 slave 2 1 60 pubsub 1 1 60'],
])('%s: %s is what is printed as %s', (name, wanted, printed) => {
  expect(sameSetting(name, wanted, printed)).toBe(true)
})

test.each([
  ['maxmemory-policy', 'allkeys-lru', 'noeviction'],
  ['repl-backlog-size', '16mb', '16000000'],
  ['repl-backlog-size', '1x', '1'],
  ['maxmemory-clients', '5%', '5'],
  ['notify-keyspace-events', 'Kx', 'xE'],
  ['notify-keyspace-events', 'ke', 'KE'],
  ['proc-title-template', '{Title}', '{title}'],
  ['latency-tracking-info-percentiles', '50 99', '50'],
  ['client-output-buffer-limit', 'replica 1mb 0 60', 'normal 0 0 0 slave 268435456 67108864 60 pubsub 1 1 60'],
  ['client-output-buffer-limit', 'replica 1 1', 'normal 0 0 0 slave 1 1 60 pubsub 1 1 60'],
])('%s: %s is not what is printed as %s', (name, wanted, printed) => {
  expect(sameSetting(name, wanted, printed)).toBe(false)
})
