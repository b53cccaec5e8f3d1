import * as Y from 'yjs'
import type { Contender, Merged, Writers } from './contender.js'
import type { Operation, Workload } from './workload.js'

/** Raw Yjs: entries are JSON in a `Y.Array`, state is a `Y.Map`; the update event gives the bytes of each change. */
export const yjs: Contender = {
  name: 'Yjs',
  prepare: work => prepare(work),
  merge: messages => merge(messages),
  load(saved) {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, saved)
    return doc.getArray('entries').toArray()
  },
  states: work => wholeStates(work),
}

function prepare(work: Workload): Writers & { readonly docs: readonly Y.Doc[] } {
  const messages: Uint8Array[][] = work.map(() => [])
  const docs = work.map((_, branch) => {
    const doc = new Y.Doc()
    doc.clientID = branch + 1
    doc.on('update', (update: Uint8Array) => messages[branch]!.push(update))
    return doc
  })
  const append = (): void => {
    for (const [branch, doc] of docs.entries()) appendAll(doc, work[branch]!)
  }
  const free = (): void => {
    for (const doc of docs) doc.destroy()
  }
  return { append, shared: [], messages, docs, free }
}

function appendAll(doc: Y.Doc, operations: readonly Operation[]): void {
  const entries = doc.getArray('entries')
  const state = doc.getMap('state')
  for (const { entry, edit } of operations) {
    if (edit === undefined) {
      entries.push([entry])
      continue
    }
    doc.transact(() => {
      entries.push([entry])
      state.set(edit.key, edit.value)
    })
  }
}

function merge(messages: readonly Uint8Array[]): Merged {
  const doc = new Y.Doc()
  Y.transact(doc, () => {
    for (const message of messages) Y.applyUpdate(doc, message)
  })
  return {
    length: doc.getArray('entries').length,
    readState: () => doc.getMap('state').toJSON(),
    save: () => Y.encodeStateAsUpdate(doc),
  }
}

function wholeStates(work: Workload): Uint8Array[] {
  const writers = prepare(work)
  writers.append()
  const states = writers.docs.map(doc => Y.encodeStateAsUpdate(doc))
  writers.free()
  return states
}
