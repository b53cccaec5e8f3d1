export { parseDuration } from './base/duration.js'
export { EXIT, exitCodeOf } from './base/failure.js'
export { nearest } from './base/nearest.js'
export { Output, type Sink } from './base/output.js'
export { clip, table } from './base/text.js'
export { resolveSettings, type SettingSources } from './settings/resolve-settings.js'
export { type GraphNode, type GraphRow, layoutGraph } from './formats/graph-layout.js'
export { jsonDifference } from './formats/json-difference.js'
export {
  type Offer,
  planRepair,
  type Remains,
  type RepairPlan,
  soundBeginning,
} from './stores/repair-plan.js'
export { readTraces } from './replay/trace-file.js'
export type { TraceMessage } from './replay/trace-message.js'
export { fanOutsOf, type FanOut, type Trace } from './replay/traces.js'
export { SAMPLE_TRACES } from './package-files.js'
export { runCommand } from './run-command.js'
