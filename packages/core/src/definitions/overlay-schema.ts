import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkOverlayName, type OverlayName } from '../base/ids.js'
import { assertJson, type Json } from '../base/json.js'
import { type AnySchema, checkSchema, validate } from './schema.js'

/** How the value of an overlay is told to a model: as a text, or null or undefined for nothing. Pure. */
export type OverlayRenderer<Value = never> = (value: Value) => string | null | undefined

/** An overlay with the schema of its value, by any Standard Schema library. */
export interface OverlayDefinition<Schema extends AnySchema = AnySchema> {
  readonly name: OverlayName
  readonly schema: Schema
  readonly render: OverlayRenderer | undefined
}

/**
 * Names an overlay's shape once: what is published is held against it, and what is read has its type.
 * @param options.render how it is told to a model: a pure function of its value; of every value ever published under the name
 * @throws WEFT_ID_INVALID · WEFT_SCHEMA_REFUSED
 */
export function defineOverlay<const Schema extends AnySchema>(
  name: OverlayName,
  schema: Schema,
  options: { readonly render?: OverlayRenderer<StandardSchemaV1.InferOutput<Schema>> } = {},
): OverlayDefinition<Schema> {
  const { render } = options
  checkSchema(schema, `overlay ${name}`)
  return Object.freeze({ name: checkOverlayName(name), schema, render })
}

/**
 * The schema's output for the value of an overlay, as JSON; without a schema, the value.
 * @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_VALUE_NOT_JSON
 */
export function validateOverlay(name: OverlayName, schema: AnySchema | undefined, value: unknown): Json {
  const output = schema === undefined ? value : validate(schema, value, `overlay ${name}`)
  assertJson(output)
  return output
}
