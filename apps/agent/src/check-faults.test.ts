import { StorageError } from '@slotkeeper/object-storage'
import { expect, test } from 'vitest'
import { faultsInWords } from './check-faults.ts'

const refused = (doing: string): StorageError => new StorageError('Unreachable', `${doing}: ECONNREFUSED`)
const REMEDY = 'Look whether the server runs, and whether endpoint and network are right.'

test.each<[string, readonly StorageError[], readonly string[]]>([
  ['none', [], []],
  ['one, with its object', [refused('storing check/a')], [`storing check/a: ECONNREFUSED. ${REMEDY}`]],
  [
    'the same in several steps',
    [refused('storing check/a'), refused('listing check/*'), refused('sweeping check/*'), refused('sweeping *')],
    [`storing, listing, sweeping: ECONNREFUSED. ${REMEDY}`],
  ],
  [
    'different ones',
    [refused('storing check/a'), new StorageError('NoBucket', 'listing check/*: the server answered 404 NoSuchBucket')],
    [
      `storing check/a: ECONNREFUSED. ${REMEDY}`,
      'listing check/*: the server answered 404 NoSuchBucket. Create it, or correct its name.',
    ],
  ],
  [
    'the same, that names no step',
    [new StorageError('NoBucket', 'the bucket is not there'), new StorageError('NoBucket', 'the bucket is not there')],
    ['the bucket is not there. Create it, or correct its name.'],
  ],
])('faults of a check: %s', (_what, errors, sentences) => {
  expect(faultsInWords(errors)).toEqual(sentences)
})
