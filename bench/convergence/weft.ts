import { BranchWriter, ChangeSet, decodeChange, MAIN_BRANCH, StateDoc } from '@weft/core'
import { host } from '../host.js'
import type { Contender, Merged, Writers } from './contender.js'
import type { Operation, Workload } from './workload.js'

/** Weft's core: one change a write, verified and ordered on merging. Branches are forked by one shared change. */
export const weft: Contender = {
  name: 'Weft',
  prepare: work => prepare(work),
  merge: messages => merge(messages),
  load(saved) {
    const set = new ChangeSet(host.hash)
    for (const bytes of unpack(saved)) set.add(decodeChange(bytes, host.hash))
    return set.entries(set.everything()).map(entry => entry.value)
  },
}

function prepare(work: Workload): Writers {
  const names = work.map((_, branch) => `attempt-${branch}`)
  const supervisor = new BranchWriter(new ChangeSet(host.hash), host, MAIN_BRANCH, 'supervisor')
  const { bytes: fork } = supervisor.fork(names)
  const messages: Uint8Array[][] = work.map(() => [])
  const writers = names.map((name, branch) => {
    const set = new ChangeSet(host.hash)
    set.add(decodeChange(fork.slice(), host.hash))
    return new BranchWriter(set, host, name, `worker-${branch}`)
  })
  const append = (): void => {
    for (const [branch, writer] of writers.entries()) appendAll(writer, work[branch]!, messages[branch]!)
  }
  const free = (): void => {
    for (const writer of writers) writer.state.free()
  }
  return { append, shared: [fork], messages, free }
}

function appendAll(writer: BranchWriter, operations: readonly Operation[], messages: Uint8Array[]): void {
  for (const { entry, edit } of operations) {
    const entries = [{ kind: 'message', value: entry }]
    const change = writer.write(edit ? { entries, state: edit.after } : { entries })
    messages.push(change!.bytes)
  }
}

function merge(messages: readonly Uint8Array[]): Merged {
  const set = new ChangeSet(host.hash)
  for (const message of messages) set.add(decodeChange(message, host.hash))
  const everything = set.everything()
  const { length } = everything.flatten()
  return {
    // The change that forks the branches has no entry.
    length: length - 1,
    readState: () => new StateDoc(set, everything).read(),
    save: () => pack(set.changes().map(change => change.bytes)),
  }
}

const LENGTH_BYTES = 4

function pack(items: readonly Uint8Array[]): Uint8Array {
  const packed = Buffer.allocUnsafe(items.reduce((sum, item) => sum + LENGTH_BYTES + item.length, 0))
  let at = 0
  for (const item of items) {
    at = packed.writeUInt32LE(item.length, at)
    packed.set(item, at)
    at += item.length
  }
  return packed
}

function* unpack(packed: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  for (let at = 0; at < packed.length; ) {
    const start = at + LENGTH_BYTES
    at = start + view.getUint32(at, true)
    yield packed.subarray(start, at)
  }
}
