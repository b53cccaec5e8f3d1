import { type Entry, type Json, StateDoc } from '@weft/core'
import { clip, plural, shortId, wordsOf } from '../base/text.js'
import type { ContextCopy, Target } from '../logs/context-copy.js'
import { jsonDifference, type JsonDifference } from './json-difference.js'

export interface ContextDifference {
  readonly workflow: string
  readonly a: string
  readonly b: string
  /** Entries visible at one and not at the other, flattened. */
  readonly onlyInA: readonly Entry[]
  readonly onlyInB: readonly Entry[]
  readonly state: readonly JsonDifference[]
}

export function contextDifference(copy: ContextCopy, a: Target, b: Target): ContextDifference {
  const { set, workflow } = copy
  const [viewA, viewB] = [set.viewAt(a.heads), set.viewAt(b.heads)]
  const only = (mine: typeof viewA, other: typeof viewA): Entry[] =>
    [...mine.flatten()].filter(node => !other.has(node)).flatMap(node => set.entriesOf(node))
  const read = (view: typeof viewA): Json => {
    const state = new StateDoc(set, view)
    try {
      return state.read()
    } finally {
      state.free()
    }
  }
  return {
    workflow,
    a: a.name,
    b: b.name,
    onlyInA: only(viewA, viewB),
    onlyInB: only(viewB, viewA),
    state: jsonDifference(read(viewA), read(viewB)),
  }
}

export function formatDifference(difference: ContextDifference): string[] {
  const { a, b, onlyInA, onlyInB, state } = difference
  if (onlyInA.length + onlyInB.length + state.length === 0) return [`${a} and ${b} show the same`]
  return [
    `- ${a}: ${plural(onlyInA.length, 'entry')} that the other has not`,
    ...onlyInA.map(entry => `- ${describeEntry(entry)}`),
    `+ ${b}: ${plural(onlyInB.length, 'entry')} that the other has not`,
    ...onlyInB.map(entry => `+ ${describeEntry(entry)}`),
    `state: ${state.length === 0 ? 'the same' : `${plural(state.length, 'pointer')} differ${state.length === 1 ? 's' : ''}`}`,
    ...state.flatMap(({ pointer, a: before, b: after }) => [
      `  ${pointer || '(the whole state)'}`,
      ...(before === undefined ? [] : [`  - ${clip(JSON.stringify(before), 160)}`]),
      ...(after === undefined ? [] : [`  + ${clip(JSON.stringify(after), 160)}`]),
    ]),
  ]
}

function describeEntry(entry: Entry): string {
  return `${shortId(entry.id)}  ${entry.branch}  ${entry.agent}  ${entry.kind}: ${clip(wordsOf(entry), 100)}`
}
