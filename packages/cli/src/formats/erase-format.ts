import type { Erasure } from '@weft/replica'
import { plural, printable, shortId } from '../base/text.js'

export type ErasureResult = Erasure & { readonly workflow: string; readonly dryRun: boolean }

export function formatErasure(result: ErasureResult): string[] {
  const { workflow, dryRun, changes, entries, pointers, already, derived, position } = result
  const what = `${plural(changes.length, 'change')} of ${workflow}, ${plural(entries.length, 'entry')}`
  return [
    ...(changes.length === 0
      ? [`nothing is left to erase of ${workflow}`]
      : [dryRun ? `would erase ${what}` : `erased ${what}, at position ${position}`]),
    ...changes.map(change => `  ${shortId(change)}`),
    ...(pointers.length > 0 ? [`values that were written to ${printable(pointers.join(', '))}`] : []),
    ...(already.length > 0 ? [`erased before: ${already.map(shortId).join(', ')}`] : []),
    ...(derived.changes.length === 0
      ? []
      : [
          `derived from it, and ${dryRun ? 'left as it is' : 'not erased'}: look whether it holds a copy (--with-derived erases it too)`,
          ...derived.changes.map(change => `  ${shortId(change)}`),
        ]),
  ]
}
