import { createHash } from 'node:crypto'
import { digest, type Node } from '@weft/core'
import { type ContextCopy, positionOf, sha256 } from '../logs/context-copy.js'

/*
 * An export is JSON lines: a header, one line a change in causal order, a trailer. The trailer's SHA-256 is over every
 * byte before its line, so a file that was cut short or altered anywhere is known as such.
 */

export const EXPORT_VERSION = 1

export interface ExportHeader {
  readonly weft: 'export'
  readonly version: number
  readonly workflow: string
  readonly count: number
  /** Heads of all branches together. */
  readonly heads: readonly string[]
  /** Of the set of changes (CHG-4): what a replica must show that has imported the file. */
  readonly digest: string
}

export interface ExportRecord {
  readonly id: string
  /** The change as its author made it, in base64. */
  readonly bytes: string
  readonly position?: number
}

export interface ExportTrailer {
  readonly weft: 'end'
  readonly sha256: string
}

export function exportHeader({ workflow, set }: ContextCopy): ExportHeader {
  return {
    weft: 'export',
    version: EXPORT_VERSION,
    workflow,
    count: set.size,
    heads: set.ids(set.dag.heads),
    digest: digest(set, sha256),
  }
}

/**
 * The lines of an export, each with its line end. Changes come flattened, so equal sets make equal files; but those that
 * erase others (ERA-1) come first, as a log takes what has lost its content only behind them.
 */
export function* exportLines(copy: ContextCopy, header = exportHeader(copy)): Generator<string> {
  const sum = createHash('sha256')
  const line = (value: ExportHeader | ExportRecord | ExportTrailer): string => {
    const text = `${JSON.stringify(value)}\n`
    sum.update(text)
    return text
  }
  yield line(header)
  for (const node of erasingFirst(copy)) {
    const { id, bytes } = copy.set.change(node)
    const position = positionOf(copy, node)
    const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
    yield line({ id, bytes: base64, ...(position !== undefined && { position }) })
  }
  yield line({ weft: 'end', sha256: sum.copy().digest('hex') })
}

function erasingFirst({ set }: ContextCopy): Iterable<Node> {
  const nodes = set.everything().flatten()
  if (set.erasures.count === 0) return nodes
  const erasing = [...nodes].filter(node => set.change(node).header.notes.erases !== undefined)
  return new Set([...erasing, ...nodes])
}
