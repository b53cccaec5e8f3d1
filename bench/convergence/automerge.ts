import * as A from '@automerge/automerge'
import type { Contender, Merged, Writers } from './contender.js'
import type { Operation, Workload } from './workload.js'

interface Shape {
  [key: string]: unknown
  entries: string[]
  state: Record<string, string>
}

const seed = A.save(A.from<Shape>({ entries: [], state: {} }, { actor: '00'.repeat(16) }))

/**
 * Raw Automerge: entries are JSON strings (scalars, not texts) in a list, state is a map. Written and merged through its
 * low-level document, which is several times faster than `change` and `applyChanges` with their proxies and patches.
 */
export const automerge: Contender = {
  name: 'Automerge',
  prepare: work => prepare(work),
  merge: messages => merge(messages),
  load(saved) {
    const document = A.getBackend(A.load<Shape>(saved))
    return (document.materialize('/entries') as unknown[]).map(text => JSON.parse(String(text)) as unknown)
  },
}

type Backend = ReturnType<typeof A.getBackend>

function prepare(work: Workload): Writers {
  const messages: Uint8Array[][] = work.map(() => [])
  const documents = work.map((_, branch) =>
    A.getBackend(A.load<Shape>(seed, { actor: (branch + 1).toString(16).padStart(32, '0') })),
  )
  const append = (): void => {
    for (const [branch, document] of documents.entries())
      appendAll(document, work[branch]!, messages[branch]!)
  }
  const free = (): void => {
    for (const document of documents) document.free()
  }
  return { append, shared: [], messages, free }
}

function appendAll(document: Backend, operations: readonly Operation[], messages: Uint8Array[]): void {
  const { id: entries } = document.objInfo('/entries')
  const { id: state } = document.objInfo('/state')
  for (const { entryJson, edit } of operations) {
    document.push(entries, entryJson, 'str')
    if (edit) document.put(state, edit.key, edit.value, 'str')
    document.commit(null, 0)
    messages.push(document.getLastLocalChange()!)
  }
}

function merge(messages: readonly Uint8Array[]): Merged {
  const document = A.getBackend(A.load<Shape>(seed))
  document.applyChanges([...messages])
  return {
    length: document.length('/entries'),
    readState: () => document.materialize('/state'),
    save: () => document.save(),
  }
}
