import type { StorageError } from '@slotkeeper/object-storage'

/** What the adapters of storages begin with: what was being done, and with which object. */
const doing = /^(storing|reading|looking at|listing|deleting|sweeping) \S+: /

/** What went wrong in a check, a sentence for each fault: what several steps met is said once, with the steps. */
export function faultsInWords(errors: readonly StorageError[]): readonly string[] {
  const faults = Map.groupBy(errors, ({ message, remedy }) => `${message.replace(doing, '')}. ${remedy}.`)
  return Array.from(faults, ([said, alike]) => {
    const [first] = alike
    if (alike.length === 1 && first !== undefined) return `${first.message}. ${first.remedy}.`
    const steps = new Set(alike.flatMap(({ message }) => doing.exec(message)?.[1] ?? []))
    return steps.size === 0 ? said : `${Array.from(steps).join(', ')}: ${said}`
  })
}
