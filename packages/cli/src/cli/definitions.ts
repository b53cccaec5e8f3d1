import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type HeaderNotes,
  type OverlayDefinition,
  type OverlayRenderer,
  type Renderers,
  reasonOf,
  type TokenCounter,
  WeftError,
} from '@weft/core'
import { usage } from '../base/failure.js'
import type { Cli } from './cli.js'

/** What a module exports that windows are made with. */
export interface Definitions {
  readonly module: string | undefined
  readonly definitions: readonly {
    readonly name: string
    readonly version: number
    readonly render: Renderers
  }[]
  readonly counters: readonly TokenCounter[]
  /** How overlays are told, by name. */
  readonly overlays: ReadonlyMap<string, OverlayRenderer>
}

export const NO_DEFINITIONS: Definitions = {
  module: undefined,
  definitions: [],
  counters: [],
  overlays: new Map(),
}

/** Imports a module, which runs it: its definitions and token counters are found by their shape. @throws WEFT_FILE_INVALID */
export async function readDefinitions({ cwd }: Cli, module: string): Promise<Definitions> {
  let exported: Readonly<Record<string, unknown>>
  try {
    exported = await import(pathToFileURL(resolve(cwd, module)).href)
  } catch (thrown) {
    throw new WeftError(
      'WEFT_FILE_INVALID',
      `${module} cannot be imported: ${reasonOf(thrown)}`,
      'name a JavaScript module that exports what `defineContext` returned',
      { file: module },
      { cause: thrown },
    )
  }
  const values = Object.values(exported)
  const overlays = new Map(values.filter(isToldOverlay).map(({ name, render }) => [name, render]))
  return { module, definitions: values.filter(isDefinition), counters: values.filter(isCounter), overlays }
}

/**
 * The renderers of a definition. Without a module all is told by its shape, as it is for definitions without renderers.
 * @throws WEFT_USAGE when the module has not the one that a step used
 */
export function renderersOf({ module, definitions }: Definitions, schema: HeaderNotes['schema']): Renderers {
  if (module === undefined || schema === undefined) return {}
  const found = definitions.find(({ name, version }) => name === schema.name && version === schema.version)
  if (found) return found.render
  const known = definitions.map(({ name, version }) => `${name}@${version}`).join(', ')
  throw usage(
    `${module} exports no definition ${schema.name}@${schema.version}, which the step used`,
    `it exports ${known || 'none'}: pass the module as it was then`,
  )
}

function isDefinition(value: unknown): value is Definitions['definitions'][number] {
  const { name, version, render } = (value ?? {}) as Partial<Definitions['definitions'][number]>
  return (
    typeof name === 'string' && typeof version === 'number' && typeof render === 'object' && render !== null
  )
}

type RenderedOverlay = Pick<OverlayDefinition, 'name'> & { readonly render: OverlayRenderer }

function isToldOverlay(value: unknown): value is RenderedOverlay {
  const { name, render } = (value ?? {}) as Partial<RenderedOverlay>
  return typeof name === 'string' && typeof render === 'function'
}

function isCounter(value: unknown): value is TokenCounter {
  const { name, count } = (value ?? {}) as Partial<TokenCounter>
  return typeof name === 'string' && typeof count === 'function'
}
