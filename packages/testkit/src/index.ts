export { type Checker, Court, type Report, type Violation } from './checker.js'
export { causality } from './checkers/causality.js'
export { convergence } from './checkers/convergence.js'
export { credentials } from './checkers/credentials.js'
export { drops } from './checkers/drops.js'
export { durability } from './checkers/durability.js'
export { heads } from './checkers/heads.js'
export { allCheckers } from './checkers/index.js'
export { leases } from './checkers/leases.js'
export { overlays } from './checkers/overlays.js'
export { preconditions } from './checkers/preconditions.js'
export { sessions } from './checkers/sessions.js'
export { staleness } from './checkers/staleness.js'
export { steps } from './checkers/steps.js'
export { tenants } from './checkers/tenants.js'
export { Dice } from './dice.js'
export { SimDisk } from './disk.js'
export { watchDisk } from './disk-watch.js'
export { Decoder } from './decoder.js'
export { FAULTS, type Fault, type FaultKind, ROLLBACK } from './faults.js'
export { SimLevel } from './level.js'
export { matchers } from './matchers.js'
export { SimNetwork, type Tap } from './network.js'
export { type Observation, type Place, placeOf } from './observation.js'
export { MUTANTS, type Mutant } from './mutants/list.js'
export { outdatedMutants, runMutants } from './mutants/run.js'
export { NO_SKEW, SimProcess, type Skew } from './process.js'
export { play, type PlayOptions, type PlayResult } from './random-play.js'
export { Scheduler } from './scheduler.js'
export { shrink } from './shrink.js'
export { main as simulateFromCommandLine } from './sim.js'
export {
  simulate,
  type SimulatedWorker,
  type SimulateOptions,
  type SimulationRun,
  USUAL_FAULTS,
  type Workflow,
} from './simulate.js'
