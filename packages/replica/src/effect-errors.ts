import { type EffectOutcome, type Entry, WeftError } from '@weft/core'

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
