import { WeftError } from '@weft/core'
import { FAULTS, type FaultKind, ROLLBACK } from './faults.js'

/** @throws WEFT_USAGE for what would simulate something else than was meant, or nothing */
export function checkSimulateOptions(workflow: unknown, options: unknown): void {
  if (typeof workflow !== 'function') throw usage('the workflow is no function', 'pass async worker => { … }')
  if (typeof options !== 'object' || options === null) throw usage('there are no options', 'pass { seed }')
  const {
    seed,
    workers,
    steps_max,
    faults,
    faultEvery_ms,
    finally: last,
  } = options as Record<string, unknown>
  wholeFrom('seed', 0, seed)
  if (workers !== undefined) wholeFrom('workers', 1, workers)
  if (steps_max !== undefined) wholeFrom('steps_max', 1, steps_max)
  if (faults !== undefined) checkFaults(faults)
  if (faultEvery_ms !== undefined && !(typeof faultEvery_ms === 'number' && faultEvery_ms > 0))
    throw usage(`faultEvery_ms is ${String(faultEvery_ms)}`, 'pass milliseconds of virtual time, more than 0')
  if (last !== undefined && typeof last !== 'function')
    throw usage('finally is no function', 'pass a workflow, or leave it out')
}

function wholeFrom(name: string, least: number, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return
  throw usage(`${name} is ${String(value)}`, `pass a whole number from ${least} on`)
}

function checkFaults(faults: unknown): void {
  const known: readonly string[] = [...FAULTS, ROLLBACK]
  if (!Array.isArray(faults)) throw usage('faults is no list', 'pass names of faults, or leave it out')
  const unknown = (faults as readonly FaultKind[]).find(name => !known.includes(name))
  if (unknown !== undefined)
    throw usage(`there is no fault ${JSON.stringify(unknown)}`, `there are ${known.join(', ')}`)
}

function usage(message: string, cure: string): WeftError {
  return new WeftError('WEFT_USAGE', `cannot simulate: ${message}`, cure)
}
