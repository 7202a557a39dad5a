export { agentJob, type JobRequest, PROGRESS_PORT, type SeededVolume } from './agent-job.ts'
export { agentOf, type AgentOwner, copiedFor, ownerOf } from './agent-owner.ts'
export {
  agentRuns,
  type CachedAgentPod,
  type CachedJob,
  projectAgentPod,
  projectJob,
  type RunsContext,
} from './agent-runs.ts'
export { failuresInWords } from './failures-in-words.ts'
export { agentPorts, type AgentPorts, type AgentRequest, runAgent, stopAgent } from './order-agent.ts'
export { ProgressMemory } from './progress.ts'
export { SCRATCH_SCRIPT, type ScratchServer } from './scratch-server.ts'
export { storageView } from './storage-view.ts'
