export {
  type AuditFilter,
  type AuditRecord,
  type Conflict,
  type ConflictValue,
  type ContextDefinition,
  defineContext,
  type Entry,
  type MergeReport,
  type Resolution,
  type RevertPlan,
  type RevertTarget,
  type Stale,
  type StaleCause,
  WeftError,
} from '@weft/core'
export type { Promotable, Scratch, ScratchAddress } from '@weft/scratch'
export type { Gate } from './conflict-gate.js'
export type { Derivation, EntryOf } from './branch-reader.js'
export {
  type AppendOptions,
  Context,
  type Merge,
  type WriteOptions,
} from './context.js'
export type { DraftChange, Recipe } from './draft-change.js'
export type { ReplicaEvent, ReplicaListener } from './events.js'
export type { TokenSource } from './link.js'
export type { Receipt } from './receipt.js'
export type { Revert, RevertOptions } from './revert.js'
export {
  type ConnectOptions,
  connect,
  type OpenOptions,
  type Replica,
  type Unacknowledged,
} from './replica.js'
export type { Step } from './step.js'
export type { StepOptions, StepResult } from './step-run.js'
export type { Snapshot } from './snapshot.js'
export type { WaitOptions } from './waiting.js'
