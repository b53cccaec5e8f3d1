import type { Replica } from '@weft/replica'
import { type Inspected, type Inspection, PATIENCE_MS, type TenantAccess } from './ipc.js'
import { AgentRun, type AgentRunContext } from './script.js'

/** Opens a context, waits until it has seen the whole log, and looks at what this replica holds. */
export async function inspect(
  replica: Replica,
  agent: string,
  { tenant, workflow, position }: Inspection,
  tenants: readonly TenantAccess[],
): Promise<Inspected> {
  const patience = { timeout_ms: PATIENCE_MS }
  const context = (await replica.open(AgentRun, { workflow, agent, ...patience })) as AgentRunContext
  await context.until(() => context.position >= position, patience)
  const foreign = tenants.filter(other => other.tenant !== tenant).map(other => Buffer.from(other.mark))
  let foreignBytes = 0
  for (const { bytes } of context.at(context.frontier).changes()) {
    const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (foreign.some(mark => raw.includes(mark))) foreignBytes += raw.length
  }
  return { tenant, workflow, digest: context.digest(), foreignBytes, causal: isCausal(context) }
}

/** Whether the flattened order holds every change after all that it depends on. */
function isCausal(context: AgentRunContext): boolean {
  const seen = new Set<string>()
  for (const { change, deps } of context.at(context.frontier).audit()) {
    if (!deps.every(dep => seen.has(dep))) return false
    seen.add(change)
  }
  return true
}
