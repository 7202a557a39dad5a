import { expect, test } from 'vitest'
import { z } from 'zod'
import { hostEnvironment, readConfig } from './host-config.ts'

const environment = hostEnvironment('some-controller').extend({ OWN: z.coerce.number().int().default(7) })

test('what is not said has a value, the settings of the app too; the pod is called like the app', () => {
  expect(readConfig(environment, {})).toMatchObject({
    SLOTKEEPER_POD_NAME: 'some-controller',
    SLOTKEEPER_LEASE_SECONDS: 15,
    OWN: 7,
    watchNamespaces: [],
  })
  expect(readConfig(environment, { SLOTKEEPER_WATCH_NAMESPACES: ' shop, ,stock' }).watchNamespaces).toEqual([
    'shop',
    'stock',
  ])
})

test('every variable that is wrong is named, and what it should be', () => {
  const wrong = { SLOTKEEPER_LEASE_SECONDS: '5', SLOTKEEPER_NATS_STREAM: 'make', OWN: 'many' }
  expect(() => readConfig(environment, wrong)).toThrow(
    /SLOTKEEPER_NATS_STREAM: .*"ensure".*"verify".*; SLOTKEEPER_LEASE_SECONDS: .*>=10; OWN: .*number/,
  )
})
