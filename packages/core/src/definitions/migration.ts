import { reasonOf, WeftError } from '../base/errors.js'
import { frozenCopy, type JsonObject } from '../base/json.js'
import { type ContextDefinition, validateState } from './schema.js'

/**
 * The state of the version before `to` as a state of version `to`. The same on every worker that migrates the same
 * state; what the definition's own version makes must satisfy its schema.
 * @throws WEFT_SCHEMA_UNKNOWN when a migration is missing · WEFT_MIGRATION_FAILED
 */
export function migrateState(
  definition: ContextDefinition,
  from: number,
  to: number,
  state: JsonObject,
): JsonObject {
  checkPath(definition, from, to)
  let next = state
  for (let version = from + 1; version <= to; version++) next = migrated(definition, version, next)
  return next
}

/** Whether the definition says how a state comes from one version to another. @throws WEFT_SCHEMA_UNKNOWN */
export function checkPath(definition: ContextDefinition, from: number, to: number): void {
  for (let version = from + 1; version <= to; version++) {
    if (Object.hasOwn(definition.migrations, version)) continue
    throw new WeftError(
      'WEFT_SCHEMA_UNKNOWN',
      `the context is at ${JSON.stringify(definition.name)} version ${from}, and this worker's definition, ` +
        `version ${definition.version}, has no migration to version ${version}`,
      `define migrations[${version}], or open the context with a worker of version ${from}`,
      { name: definition.name, version: from, known: definition.version, missing: version },
    )
  }
}

function migrated(definition: ContextDefinition, version: number, state: JsonObject): JsonObject {
  const isLast = version === definition.version
  try {
    return frozenCopy(
      validateState(isLast ? definition.state : undefined, definition.migrations[version]!(state)),
    )
  } catch (cause) {
    throw migrationFailed(definition.name, version, cause)
  }
}

export function migrationFailed(name: string, version: number, cause: unknown): WeftError {
  return new WeftError(
    'WEFT_MIGRATION_FAILED',
    `the migration of ${JSON.stringify(name)} to version ${version} failed: ${reasonOf(cause)}`,
    'the context is as it was: correct the migration, which must be pure, synchronous and total, and open it again',
    { name, version },
    { cause },
  )
}
