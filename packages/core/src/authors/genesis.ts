import { MAIN_BRANCH } from '../base/ids.js'
import type { Json, JsonObject } from '../base/json.js'
import type { Hash } from '../base/ports.js'
import type { Change } from '../change/change.js'
import { ChangeSet } from '../set/change-set.js'
import type { ContextDefinition } from '../definitions/schema.js'
import { deriveChange } from './derived-change.js'

/** Raise when a release makes other bytes of the same initial state: its genesis is then another actor's. */
const GENESIS_FORMAT = 1

const made = new WeakMap<ContextDefinition, Change>()

/**
 * The change that writes a definition's initial state. Its bytes follow from the definition alone (actor, salt and
 * time are derived), so workers that begin a context at once write one and the same change. Made once for each
 * definition: every handle asks for it, and it takes a document of Automerge.
 */
export function genesis(definition: ContextDefinition, hash: Hash): Change | undefined {
  const { initial } = definition
  if (initial === undefined || Object.keys(initial).length === 0) return undefined
  const known = made.get(definition)
  if (known) return known
  const change = makeGenesis(definition, initial, hash)
  made.set(definition, change)
  return change
}

function makeGenesis({ name, version }: ContextDefinition, initial: JsonObject, hash: Hash): Change {
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
