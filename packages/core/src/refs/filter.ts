import { reasonOf, WeftError } from '../base/errors.js'
import { type BranchName, checkId } from '../base/ids.js'
import { isPlainObject } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { parseRef } from './ref.js'

/**
 * Which changes concern somebody: those that fit every list that there is, by any of its values. An empty filter is
 * one for all that happens.
 */
export interface Filter {
  /** Refs, one of which it writes: for a pointer of the state also something above it or below it (STL-2). */
  readonly refs?: readonly string[]
  /** Kinds, of one of which it holds an entry. */
  readonly kinds?: readonly string[]
  readonly branches?: readonly BranchName[]
}

const CHECKS = {
  refs: (value: unknown) => parseRef(String(value)),
  kinds: (value: unknown) => checkId('kind', value),
  branches: (value: unknown) => checkId('branch', value),
} as const

/** A filter in its one form: lists ascending, each value once, none empty. @throws WEFT_FILTER_INVALID */
export function checkFilter(value: unknown): Filter {
  if (!isPlainObject(value)) throw invalid('it is not an object')
  const lists = Object.entries(value).filter(([, list]) => list !== undefined)
  return Object.fromEntries(lists.sort().map(([name, list]) => [name, checkedList(name, list)]))
}

function checkedList(name: string, list: unknown): string[] {
  if (!Object.hasOwn(CHECKS, name)) throw invalid(`there is no list of ${JSON.stringify(name.slice(0, 80))}`)
  if (!Array.isArray(list) || list.length === 0 || list.length > LIMITS.filter_values_max) {
    throw invalid(`${name} is not a list of 1 to ${LIMITS.filter_values_max} values`)
  }
  try {
    for (const value of list) {
      if (typeof value !== 'string') throw new TypeError(`${name} holds something other than text`)
      CHECKS[name as keyof typeof CHECKS](value)
    }
  } catch (thrown) {
    throw invalid(reasonOf(thrown))
  }
  return [...new Set(list as string[])].sort()
}

function invalid(reason: string): WeftError {
  return new WeftError(
    'WEFT_FILTER_INVALID',
    `that is no filter: ${reason}`,
    'pass lists under any of refs (state:/pointer, ext:<uri>, overlay:<name>), kinds and branches, or nothing for all',
  )
}
