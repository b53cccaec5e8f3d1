import {
  type Admission,
  type Change,
  type ChangeId,
  type LogRecord,
  NO_NODE,
  type Position,
  type TenantStore,
  unpackIds,
  WeftError,
} from '@weft/core'

/** Whether a change erases others (ERA-1). */
export function erases({ header }: Change): boolean {
  return header.notes.erases !== undefined
}

/** The records of a log, up to a position, that some of its changes erase, as they are from then on. */
export async function rewrittenBy(
  erasing: readonly Change[],
  { dag, erasures }: Admission,
  upTo: Position,
  read: (position: Position) => ReturnType<TenantStore['read']>,
): Promise<LogRecord[]> {
  const rewritten = new Map<Position, LogRecord>()
  for (const id of erasing.flatMap(({ header }) => unpackIds(header.notes.erases!))) {
    const node = dag.find(id)
    const position = node + 1
    if (node === NO_NODE || position > upTo || rewritten.has(position)) continue
    const [record] = await read(position)
    const { change } = record!
    const { bytes } = erasures.kept(change)
    if (bytes !== change.bytes) rewritten.set(position, { position, id, bytes })
  }
  return [...rewritten.values()]
}

/** Nothing of Weft's writes a change without its content before the log says that it is erased: somebody took it out. */
export function contentMissing(workflow: string, position: Position, id: ChangeId): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `in the log of ${workflow}, change ${id.slice(0, 12)} at position ${position} has lost its content, and nothing there erases it`,
    'this context stays unreadable, others are served: fill it from a replica or an export with `weft repair`',
    { workflow, position, change: id },
  )
}
