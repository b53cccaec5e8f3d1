import {
  BranchWriter,
  ChangeSet,
  defineContext,
  type Json,
  resolveOptions,
  Staleness,
  type WindowFormat,
  type WindowOptions,
  Windows,
} from '@weft/core'
import { seededHost, sha256 } from './core-property.ts'
import { byLength, Talk } from './window-values.ts'

const anything = Talk.entries.plain
export const Kinds = defineContext({
  name: 'kinds',
  version: 1,
  entries: { message: anything, memory: anything, rule: anything },
})

/** A branch to write entries on, one after the other, and to make windows of. */
export function talk() {
  const set = new ChangeSet(sha256)
  const writer = new BranchWriter(set, seededHost(1), 'main', 'agent')
  const write = (kind: string, value: Json, ...reads: string[]): string => {
    const change = writer.write({ entries: [{ kind, value }], reads: reads.map(ref => ({ ref })) })!
    return `${change.id}.0`
  }
  const make = <As extends WindowFormat = 'openai'>(
    options: Partial<WindowOptions<As>> = {},
    definition = Kinds as Parameters<typeof resolveOptions>[1],
  ) => {
    const windows = new Windows(
      set,
      set.view('main'),
      new Staleness(set, set.view('main')),
      definition.render,
      sha256,
    )
    return windows.make(
      resolveOptions<As>({ budget: 10_000, count: byLength, ...options }, definition),
      byLength,
      options.overlays,
    )
  }
  return { set, writer, write, make }
}

export const call = (...ids: string[]) => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map(id => ({ id, type: 'function', function: { name: 'get', arguments: '{}' } })),
})
export const answer = (id: string, content: Json = 'done') => ({ role: 'tool', tool_call_id: id, content })
