import type { Scenario } from './scenario.ts'

/** All scenarios as a table, for people. */
export function scenarioTable(scenarios: readonly Scenario[]): string {
  const rows = scenarios.map(({ name, proves, persistence, sample = [] }) => {
    const runs = persistence.map((one) => (sample.includes(one) ? `**${one}**` : one))
    return `| ${name} | ${proves} | ${runs.join(', ')} |`
  })
  return `| scenario | what it shows | persistence |\n|---|---|---|\n${rows.join('\n')}`
}
