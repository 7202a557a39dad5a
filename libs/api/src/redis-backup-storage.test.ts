import { expect, test } from 'vitest'
import { redisBackupStorageCrd } from './index.ts'

/** The columns of `kubectl get` by their names. */
function columns(): ReadonlyMap<string, object> {
  const { versions } = redisBackupStorageCrd()['spec'] as {
    readonly versions: readonly { readonly additionalPrinterColumns: readonly { readonly name: string }[] }[]
  }
  return new Map(versions.flatMap((one) => one.additionalPrinterColumns).map((one) => [one.name, one]))
}

test('the reason that kubectl shows is the fault, not the state', () => {
  expect(columns().get('Reason')).toMatchObject({ jsonPath: '.status.reason' })
})

test('when it is tried again is shown to who asks for more', () => {
  expect(columns().get('Next check')).toMatchObject({ jsonPath: '.status.nextCheckAt', priority: 1 })
})

test('the key that new backups are encrypted with is shown', () => {
  expect(columns().get('Encryption')).toMatchObject({ jsonPath: '.spec.encryption.currentKey' })
  expect(columns().get('Encryption')).not.toHaveProperty('priority')
})
