import { type BranchName, type EffectOutcome, type Entry, WeftError } from '@weft/core'

export function effectRefused(outcome: EffectOutcome & { outcome: 'refused' }, entry: Entry): WeftError {
  return new WeftError(
    'WEFT_EFFECT_REFUSED',
    `effect ${JSON.stringify(outcome.key)} was refused: ${outcome.reason}`,
    'read again what has moved, and use another key for what you decide then: this one stays refused',
    { key: outcome.key, moved: outcome.moved, entry: entry.id, agent: entry.agent, time: entry.time },
  )
}

export function effectKeyUsed(
  use: { readonly key: string; readonly step: string },
  recorded: EffectOutcome,
): WeftError {
  return new WeftError(
    'WEFT_EFFECT_KEY',
    `effect key ${JSON.stringify(use.key)} was used by step ${JSON.stringify(recorded.step)}, not ${JSON.stringify(use.step)}`,
    'use a key of its own for each effect of a workflow, for example one that begins with the name of its step',
    { key: use.key, step: recorded.step },
  )
}

/** What another branch was given is none of this one's business before they merge; nor is the effect done a second time. */
export function effectElsewhere(key: string, branch: BranchName, here: BranchName): WeftError {
  return new WeftError(
    'WEFT_EFFECT_KEY',
    `effect key ${JSON.stringify(key)} was used on branch ${branch}, which ${here} does not see`,
    'where each branch is to have its own, let the key begin with the name of the branch; where one does for all, run it before they fork',
    { key, branch },
  )
}

/** It was done, once: what it gave could not be kept, and it is not done again. */
export function effectResult({ key, unkept }: EffectOutcome & { outcome: 'done' }, entry: Entry): WeftError {
  return new WeftError(
    'WEFT_EFFECT_RESULT',
    `effect ${JSON.stringify(key)} was done, and what it gave cannot be kept: ${unkept}`,
    'it is not done again; have it give JSON that fits into a change, such as a reference to what it made, and use another key to have it done anew',
    { key, entry: entry.id, agent: entry.agent, time: entry.time },
  )
}

export function effectReliesOnTooMuch(key: string, refs: number, refs_max: number): WeftError {
  return new WeftError(
    'WEFT_USAGE',
    `effect ${JSON.stringify(key)} relies on ${refs} refs that its step has read or named, and a peer holds it against ${refs_max}`,
    'run it in a step that has read less, or let it depend on one ref that stands for them',
    { key, refs, refs_max },
  )
}

export function effectKeyInvalid(key: string): WeftError {
  return new WeftError(
    'WEFT_EFFECT_KEY',
    `an effect key of ${key.length} characters`,
    'use 1 to 256 characters, the same at every attempt',
  )
}

/** It was done, once: what came of it is gone, and it is not done again. */
export function effectErased(key: string, { id, erased }: Entry): WeftError {
  return new WeftError(
    'WEFT_ERASED',
    `what came of effect ${JSON.stringify(key)} was erased${erased?.reason === undefined ? '' : `: ${erased.reason}`}`,
    'it was done and is not done again; go on without its result, or use another key to have it done anew',
    { key, entry: id, by: erased?.by ?? null },
  )
}
