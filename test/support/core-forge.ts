import {
  type Change,
  decodeChange,
  type ErrorCode,
  encodeUtf8,
  fromHex,
  isWeftError,
  sealChange,
  toHex,
  type WeftError,
} from '@weft/core'
import { expect } from 'vitest'
import { hexSha256, seededHost, sha256 } from './core-property.ts'

/** What a hostile or broken author could send: changes that are well sealed, with anything at all inside. */
export type Draft = Parameters<typeof sealChange>[0]

/** The draft that `change` could have been sealed from. */
export function draftOf(change: Change): Draft {
  const { actor, seq, lamport, time, branch, agent, deps, kinds, writes, reads, notes } = change.header
  return {
    actor,
    seq,
    lamport,
    time,
    branch,
    agent,
    deps: packed(deps),
    kinds,
    writes,
    reads,
    notes,
    values: change.values(),
    state: change.state,
  }
}

/** As `change`, but for what `lie` says; sealed anew, so all its hashes are right. */
export function forged(change: Change, lie: Partial<Draft>): Change {
  return sealChange({ ...draftOf(change), ...lie }, seededHost(change.header.time))
}

export function packed(ids: readonly string[]): Uint8Array {
  return fromHex([...ids].sort().join(''))
}

/** An Automerge change with some bytes of its content altered and its checksum made right again. */
export function forgedState(state: Uint8Array, alter: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = state.slice()
  alter(bytes)
  bytes.set(fromHex(hexSha256(bytes.subarray(8)).slice(0, 8)), 4)
  return bytes
}

/** The three byte strings of a sealed change, read without the core: header, entries, state; null where absent. */
export function frameOf({ bytes }: Change): (Uint8Array | null)[] {
  expect(bytes[0]).toBe(0x83)
  let at = 1
  return [0, 1, 2].map(() => {
    const head = bytes[at++]!
    if (head === 0xf6) return null
    const width = head < 0x58 ? 0 : 1 << (head - 0x58)
    const length = width === 0 ? head - 0x40 : Number.parseInt(toHex(bytes, at, at + width), 16)
    at += width + length
    return bytes.subarray(at - length, at)
  })
}

/** Byte strings framed as a change, whatever they are. */
export function framed(parts: readonly (Uint8Array | null)[]): Uint8Array {
  const items = parts.map(part => {
    if (part === null) return [0xf6]
    const { length } = part
    if (length < 24) return [0x40 + length, ...part]
    return length < 256 ? [0x58, length, ...part] : [0x59, length >> 8, length & 0xff, ...part]
  })
  return Uint8Array.from([0x83, ...items.flat()])
}

/** As `change`, with this text for its entries, whatever it is; hashed anew. */
export function forgedEntries(change: Change, text: string): Change {
  const [header, entries, state] = frameOf(change)
  const part = Uint8Array.from([...entries!.subarray(0, 16), ...encodeUtf8(text)])
  const named = toHex(header!).replace(hexSha256(entries!), hexSha256(part))
  return decodeChange(framed([fromHex(named), part, state!]), sha256)
}

/** The WeftError that `act` throws; anything else it throws is a failure. */
export function refusal(act: () => unknown): WeftError {
  let thrown: unknown
  try {
    act()
  } catch (error) {
    thrown = error
  }
  if (thrown === undefined) throw new Error('nothing was refused')
  if (!isWeftError(thrown)) throw new Error('it was refused without a code', { cause: thrown })
  return thrown
}

export function codeOf(act: () => unknown): ErrorCode {
  return refusal(act).code
}
