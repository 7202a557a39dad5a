/**
 * What an agent's process is started with, beside its plan: much goes through it, and little is to stay. By itself glibc keeps
 * the memory of large buffers for the next ones (mallopt(3), dynamic mmap threshold), and V8 a larger young generation
 * than so few objects need; together that was a fifth of all that an agent had resident.
 */
export const AGENT_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  NODE_OPTIONS: '--max-semi-space-size=1',
}
