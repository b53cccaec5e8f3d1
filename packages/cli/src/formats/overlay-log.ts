import type { Json, ToldOverlay } from '@weft/core'
import type { ContextCopy } from '../logs/context-copy.js'

/** Every version of every overlay that a copy of the log of overlays holds. */
export function publishedIn({ set }: ContextCopy): ToldOverlay[] {
  return [...set.everything().flatten()].flatMap(node => {
    const { publishes } = set.change(node).header.notes
    const [entry] = set.entriesOf(node)
    if (publishes === undefined || entry === undefined) return []
    return [{ name: publishes.name, version: publishes.version, value: entry.value as Json }]
  })
}
