export { play, type PlayOptions, type PlayResult } from './random-play.js'
export { FAULTS, type Fault, type FaultKind } from './faults.js'
