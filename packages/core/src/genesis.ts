import type { Change } from './change.js'
import { ChangeSet } from './change-set.js'
import { deriveChange } from './derived-change.js'
import { MAIN_BRANCH } from './ids.js'
import type { Json } from './json.js'
import type { Hash } from './ports.js'
import type { ContextDefinition } from './schema.js'

/** Raise when a release makes other bytes of the same initial state: its genesis is then another actor's. */
const GENESIS_FORMAT = 1

/**
 * The change that writes a definition's initial state. Its bytes follow from the definition alone (actor, salt and
 * time are derived), so workers that begin a context at once write one and the same change.
 */
export function genesis(definition: ContextDefinition, hash: Hash): Change | undefined {
  const { name, version, initial } = definition
  if (initial === undefined || Object.keys(initial).length === 0) return undefined
  return deriveChange(
    new ChangeSet(hash),
    {
      seed: ['weft-genesis', GENESIS_FORMAT, name, version, initial] as Json,
      branch: MAIN_BRANCH,
      deps: [],
      time: 0,
      state: initial,
      notes: { schema: { name, version } },
    },
    hash,
  )
}
