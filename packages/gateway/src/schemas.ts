import { pathToFileURL } from 'node:url'
import {
  type AnySchema,
  type ContextDefinition,
  type JsonObject,
  type OverlayDefinition,
  reasonOf,
  type SchemaVersion,
  schemaless,
  WeftError,
} from '@weft/core'

/** The definitions that what is written is held against. */
export interface Schemas {
  /** Where they come from; without a module every definition is taken for what it is called. */
  readonly module: string | undefined
  readonly contexts: readonly ContextDefinition<JsonObject>[]
  readonly overlays: readonly OverlayDefinition[]
}

export const NO_SCHEMAS: Schemas = { module: undefined, contexts: [], overlays: [] }

/** Imports a module, which runs it: what `defineContext` and `defineOverlay` made is found by its shape. @throws WEFT_FILE_INVALID */
export async function readSchemas(file: string): Promise<Schemas> {
  let exported: Readonly<Record<string, unknown>>
  try {
    exported = await import(pathToFileURL(file).href)
  } catch (thrown) {
    throw invalid(file, `cannot be imported: ${reasonOf(thrown)}`)
  }
  const values = Object.values(exported)
  const contexts = values.filter(isContext)
  const overlays = values.filter(isOverlay)
  if (contexts.length + overlays.length === 0) throw invalid(file, 'exports no definition')
  return { module: file, contexts, overlays }
}

/**
 * The definition that a writer names. Without a module one is made that takes any JSON.
 * @throws WEFT_SCHEMA_UNKNOWN · WEFT_ID_INVALID · WEFT_SCHEMA_REFUSED
 */
export function contextOf(
  { module, contexts }: Schemas,
  { name, version }: SchemaVersion,
): ContextDefinition<JsonObject> {
  if (module === undefined) return schemaless(name, version)
  const found = contexts.find(each => each.name === name && each.version === version)
  if (found) return found
  const known = contexts.map(each => `${each.name}@${each.version}`)
  throw new WeftError(
    'WEFT_SCHEMA_UNKNOWN',
    `no definition ${name}@${version} is known here`,
    `write by one that it has (${known.join(', ') || 'none'}), or name the module that defines this one`,
    { name, version, known },
  )
}

/** An overlay by its definition, or by its name where nothing is defined of it. */
export function overlayOf({ overlays }: Schemas, name: string): OverlayDefinition | string {
  return overlays.find(each => each.name === name) ?? name
}

function isContext(value: unknown): value is ContextDefinition<JsonObject> {
  const { name, version, entries, migrations } = (value ?? {}) as Partial<ContextDefinition>
  return (
    typeof name === 'string' &&
    typeof version === 'number' &&
    typeof entries === 'object' &&
    typeof migrations === 'object'
  )
}

function isOverlay(value: unknown): value is OverlayDefinition {
  const { name, schema } = (value ?? {}) as Partial<OverlayDefinition>
  return typeof name === 'string' && typeof (schema as Partial<AnySchema>)?.['~standard'] === 'object'
}

function invalid(file: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_FILE_INVALID',
    `${file} ${reason}`,
    'name a JavaScript module that exports what `defineContext` and `defineOverlay` returned',
    { file },
  )
}
