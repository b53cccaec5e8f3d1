import type { StandardSchemaV1 } from '@standard-schema/spec'
import { WeftError } from '../base/errors.js'
import { checkId } from '../base/ids.js'
import {
  assertJson,
  assertWellFormed,
  deepFreeze,
  isPlainObject,
  type Json,
  type JsonObject,
} from '../base/json.js'
import { isEngineKind } from '../refs/engine-kinds.js'
import type { Renderers } from './window-render.js'

export type AnySchema = StandardSchemaV1
export type EntrySchemas = Readonly<Record<string, AnySchema>>

/**
 * Makes a state of one version from a state of the version before, which is frozen. Pure and synchronous: what it makes
 * may depend on nothing else, or else two workers that migrate at once do not converge.
 */
export type Migration = (old: JsonObject) => JsonObject

/** What a context holds: the schema of its state and of each kind of entry, by any Standard Schema library. */
export interface ContextDefinition<State = unknown, Entries extends EntrySchemas = EntrySchemas> {
  readonly name: string
  readonly version: number
  readonly state: StandardSchemaV1<unknown, State> | undefined
  readonly entries: Entries
  /** The schema of all kinds that `entries` does not name; without one there are no others. */
  readonly others: AnySchema | undefined
  readonly initial: JsonObject | undefined
  /** By the version that each makes. */
  readonly migrations: Readonly<Record<number, Migration>>
  /** How entries of a kind are told to a model; other kinds are told by their shape. */
  readonly render: Renderers
  /** Kinds that are in every window. */
  readonly pinned: readonly string[]
}

const ANYTHING: AnySchema = Object.freeze({
  '~standard': { version: 1, vendor: 'weft', validate: (value: unknown) => ({ value }) },
} as const)

/**
 * Stands for whatever a context was defined as, to whoever reads and carries it and writes nothing of its own: a tool.
 * No definition can have its name.
 */
export const ANY_CONTEXT: ContextDefinition<JsonObject, Readonly<Record<never, never>>> = Object.freeze({
  name: '*',
  version: 0,
  state: undefined,
  entries: {},
  others: ANYTHING,
  initial: undefined,
  migrations: {},
  render: {},
  pinned: [],
})

/**
 * Stands for a definition that is known by its name and version alone: any JSON is an entry or a state of it, of any
 * kind. So whoever has not the definition at hand writes to no branch that is at another one (HND-2). It begins a context
 * with an empty state, whatever the definition's is.
 * @throws WEFT_ID_INVALID · WEFT_SCHEMA_REFUSED
 */
export function schemaless(name: string, version: number): ContextDefinition<JsonObject> {
  checkId('kind', name)
  checkVersion(name, version)
  return Object.freeze({ ...(ANY_CONTEXT as ContextDefinition<JsonObject>), name, version })
}

export type KindOf<Entries extends EntrySchemas> = keyof Entries & string
export type ValueOf<
  Entries extends EntrySchemas,
  Kind extends KindOf<Entries>,
> = StandardSchemaV1.InferOutput<Entries[Kind]>
export type InputOf<Entries extends EntrySchemas, Kind extends KindOf<Entries>> = StandardSchemaV1.InferInput<
  Entries[Kind]
>

/** How each kind is told to a model: see `Renderers`. */
export type RenderersOf<Entries extends EntrySchemas> = {
  readonly [Kind in KindOf<Entries>]?: (value: ValueOf<Entries, Kind>) => unknown
}

/**
 * Names a context's shape once; types of state and entries follow from it.
 * @param options.version counts from 1 and grows when the shape, or how it is told to a model, changes
 * @param options.initial the state of a context that nobody has written to; must satisfy `state`
 * @param options.migrations by version, from 2 on: makes its state from that of the version before (HND-2). A version
 *   that has none, or none from there on, is refused when a context that is older is opened
 * @param options.render how entries of a kind are told to a model: a pure function of the value, of every version
 * @param options.pinned kinds that are always in a window
 * @throws WEFT_KIND_UNKNOWN for a renderer or a pin of a kind that is not defined, and WEFT_ID_INVALID ·
 *   WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_VALUE_NOT_JSON · WEFT_USAGE without options
 */
export function defineContext<
  const StateSchema extends AnySchema = StandardSchemaV1<unknown, JsonObject>,
  const Entries extends EntrySchemas = EntrySchemas,
>(options: {
  name: string
  version: number
  state?: StateSchema
  entries: Entries
  initial?: StandardSchemaV1.InferInput<StateSchema>
  migrations?: Readonly<Record<number, Migration>>
  render?: RenderersOf<Entries>
  pinned?: readonly KindOf<Entries>[]
}): ContextDefinition<StandardSchemaV1.InferOutput<StateSchema>, Entries> {
  if (!isPlainObject(options)) throw noOptions(options)
  const { name, version, entries, render = {}, pinned = [] } = options
  checkId('kind', name)
  checkSchemas(name, entries, options.state)
  for (const kind of Object.keys(entries)) checkOwnKind(kind)
  checkVersion(name, version)
  const state = options.state as
    | StandardSchemaV1<unknown, StandardSchemaV1.InferOutput<StateSchema>>
    | undefined
  const initial =
    options.initial === undefined
      ? undefined
      : deepFreeze(validateState(state, structuredCopy(options.initial)))
  const migrations = checkMigrations(name, version, options.migrations ?? {})
  const others = undefined
  const definition = Object.freeze({
    name,
    version,
    state,
    entries,
    others,
    initial,
    migrations,
    render,
    pinned,
  })
  for (const kind of [...Object.keys(render), ...pinned]) checkKind(definition as ContextDefinition, kind)
  return definition
}

function checkSchemas(name: string, entries: EntrySchemas, state: AnySchema | undefined): void {
  if (!isPlainObject(entries)) throw noSchema(`the kinds of entries of context ${name}`)
  for (const [kind, schema] of Object.entries(entries)) checkSchema(schema, `the ${kind} entry`)
  if (state !== undefined) checkSchema(state, 'the state')
}

/** @param what names it in the refusal. @throws WEFT_SCHEMA_REFUSED where something else stands for a schema */
export function checkSchema(schema: AnySchema, what: string): void {
  const standard: unknown = (schema as Partial<AnySchema> | null | undefined)?.['~standard']
  if (typeof (standard as AnySchema['~standard'] | undefined)?.validate !== 'function') throw noSchema(what)
}

function noOptions(options: unknown): WeftError {
  return new WeftError(
    'WEFT_USAGE',
    `what defineContext was given is ${options === null || options === undefined ? String(options) : `of type ${typeof options}`}`,
    'pass { name, version, entries }',
  )
}

function noSchema(what: string): WeftError {
  return new WeftError(
    'WEFT_SCHEMA_REFUSED',
    `${what} has no Standard Schema`,
    'use a schema of a library that implements Standard Schema, as Zod does from 3.24 on, Valibot from 1.0, ArkType from 2.0',
  )
}

function checkVersion(name: string, version: number): void {
  if (Number.isSafeInteger(version) && version >= 1) return
  throw new WeftError(
    'WEFT_SCHEMA_REFUSED',
    `the version of context ${name} is ${version}`,
    'count versions from 1, in whole numbers',
  )
}

function checkMigrations(
  name: string,
  version: number,
  migrations: Readonly<Record<number, Migration>>,
): Readonly<Record<number, Migration>> {
  for (const [key, migration] of Object.entries(migrations)) {
    const to = Number(key)
    if (Number.isSafeInteger(to) && to >= 2 && to <= version && typeof migration === 'function') continue
    throw new WeftError(
      'WEFT_SCHEMA_REFUSED',
      `context ${name}@${version} has a migration ${JSON.stringify(key)}`,
      `give a function for each version from 2 to ${version} that an older context may have to reach`,
    )
  }
  return Object.freeze({ ...migrations })
}

function checkOwnKind(kind: string): void {
  checkId('kind', kind)
  if (!isEngineKind(kind)) return
  throw new WeftError(
    'WEFT_ID_INVALID',
    `the kind ${kind} begins with "weft.", as the engine's own do`,
    'choose another name',
    { role: 'kind' },
  )
}

/** The schema of a kind. @throws WEFT_KIND_UNKNOWN · WEFT_ID_INVALID */
export function checkKind({ name, version, entries, others }: ContextDefinition, kind: string): AnySchema {
  const schema = Object.hasOwn(entries, kind) ? entries[kind] : undefined
  if (schema !== undefined) return schema
  if (others !== undefined) {
    checkOwnKind(kind)
    return others
  }
  throw new WeftError(
    'WEFT_KIND_UNKNOWN',
    `context ${name}@${version} has no entries of kind ${JSON.stringify(kind)}`,
    `use one of ${Object.keys(entries).join(', ') || '(none defined)'}, or define the kind`,
    { kind },
  )
}

function structuredCopy(value: unknown): unknown {
  assertJson(value)
  return JSON.parse(JSON.stringify(value))
}

/** The schema's output for a state, as JSON. @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_VALUE_NOT_JSON */
export function validateState(schema: AnySchema | undefined, value: unknown): JsonObject {
  const output = schema === undefined ? value : validate(schema, value, 'the state')
  assertJson(output)
  // Automerge would put another character in its place, without a word.
  assertWellFormed(output)
  if (isPlainObject(output)) return output as JsonObject
  throw new WeftError('WEFT_SCHEMA_REFUSED', 'the state is not an object', 'make the state a JSON object')
}

/** The schema's output for an entry of `kind`. @throws also WEFT_KIND_UNKNOWN */
export function validateEntry(definition: ContextDefinition, kind: string, value: unknown): Json {
  const schema = checkKind(definition, kind)
  const output = validate(schema, value, `the ${kind} entry`)
  assertJson(output)
  return output
}

/** The schema's output. @param what names it in the refusal. @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC */
export function validate(schema: AnySchema, value: unknown, what: string): unknown {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    // It may still fail, with nobody to be told of that.
    result.catch(() => {})
    throw new WeftError(
      'WEFT_SCHEMA_ASYNC',
      `the schema of ${what} validates asynchronously`,
      'local writes are synchronous: use a schema without async refinements',
    )
  }
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(issue => ({
    pointer: (issue.path ?? [])
      .map(part => `/${String(typeof part === 'object' ? part.key : part)}`)
      .join(''),
    message: issue.message,
  }))
  const first = issues[0]
  throw new WeftError(
    'WEFT_SCHEMA_REFUSED',
    `${what} does not fit its schema: ${first?.pointer ? `${first.pointer}: ` : ''}${first?.message ?? 'refused'}` +
      (issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''),
    'correct the value; nothing was written',
    { issues },
  )
}
