import { decodeChange, encodeChange, getBackend, init } from '@automerge/automerge'
import { type Change, fromHex, type sealChange, toHex } from '@weft/core'
import { type Dice, sha256 } from './dice.js'
import { mutated } from './mutate.js'

type Draft = Parameters<typeof sealChange>[0]

/** The draft that a change could have been sealed from. */
export function draftOf(change: Change): Draft {
  const { actor, seq, lamport, time, branch, agent, deps, kinds, writes, reads, notes } = change.header
  const packed = fromHex([...deps].sort().join(''))
  const header = { actor, seq, lamport, time, branch, agent, deps: packed, kinds, writes, reads, notes }
  return { ...header, values: change.values(), state: change.state }
}

/** An Automerge change with another body, its length and its checksum made right. */
export function rechunked(state: Uint8Array, alter: (body: Uint8Array) => Uint8Array): Uint8Array {
  let at = 9
  while (state[at++]! >= 0x80);
  const body = alter(state.slice(at))
  const length: number[] = []
  for (let rest = body.length; ; rest >>>= 7) {
    length.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80)
    if (rest < 0x80) break
  }
  const chunk = Uint8Array.from([...state.subarray(0, 9), ...length, ...body])
  const sum = new Uint8Array(32)
  sha256(chunk.subarray(8), sum, 0)
  chunk.set(sum.subarray(0, 4), 4)
  return chunk
}

/** As another actor would have written it. */
export function byActor(state: Uint8Array, from: string, to: string): Uint8Array {
  return rechunked(state, body => fromHex(toHex(body).replaceAll(from, to)))
}

/** A change of three parts as they are, in its envelope. */
export function framed(parts: readonly (Uint8Array | null)[]): Uint8Array {
  const items = parts.flatMap(part => {
    if (part === null) return [Uint8Array.of(0xf6)]
    const { length } = part
    const head =
      length < 24
        ? [0x40 + length]
        : length < 256
          ? [0x58, length]
          : length < 65_536
            ? [0x59, length >> 8, length & 255]
            : [0x5a, 0, length >> 16, (length >> 8) & 255, length & 255]
    return [Uint8Array.from(head), part]
  })
  return Buffer.concat([Uint8Array.of(0x83), ...items])
}

export function partsOf({ bytes }: { readonly bytes: Uint8Array }): (Uint8Array | null)[] {
  let at = 1
  return [0, 1, 2].map(() => {
    const head = bytes[at++]!
    if (head === 0xf6) return null
    const width = head < 0x58 ? 0 : 1 << (head - 0x58)
    const length = width === 0 ? head - 0x40 : Number.parseInt(toHex(bytes, at, at + width), 16)
    at += width + length
    return bytes.slice(at - length, at)
  })
}

/** The change with a part replaced, and the hash of it in the header. */
export function withPart(change: Change, index: 1 | 2, part: Uint8Array): Uint8Array {
  const parts = partsOf(change)
  const before = parts[index]
  if (before === null || before === undefined) return change.bytes
  parts[0] = fromHex(toHex(parts[0]!).replace(hashOf(before), hashOf(part)))
  parts[index] = part
  return framed(parts)
}

function hashOf(bytes: Uint8Array): string {
  const sum = new Uint8Array(32)
  sha256(bytes, sum, 0)
  return toHex(sum)
}

type Backend = ReturnType<typeof getBackend>

/** What Automerge can write and Weft never does. */
const FOREIGN: readonly ((backend: Backend, dice: Dice) => void)[] = [
  b => b.put('/', 'x', new Uint8Array(9)),
  b => b.put('/', 'x', 5, 'counter'),
  b => b.put('/', 'x', new Date(5)),
  b => b.put('/', 'x', 5, 'uint'),
  b => b.put('/', 'x', Number.NaN, 'f64'),
  b => b.put('/', '__proto__', 1, 'int'),
  b => b.splice(b.putObject('/', 'x', 'text'), 0, 0, 'abc'),
  (b, dice) => {
    let object = '/'
    for (let depth = 30 + dice.roll(100); depth > 0; depth--)
      object = b.putObject(object, 'x', dice.chance(2) ? {} : {})
  },
  (b, dice) => {
    const list = b.putObject('/', 'x', [])
    for (let i = dice.roll(3_000); i >= 0; i--) b.insert(list, 0, dice.roll(3), 'int')
  },
]

export function foreignState(actor: string, known: readonly Uint8Array[], dice: Dice): Uint8Array {
  const backend = getBackend(init({ actor }))
  backend.applyChanges([...known])
  dice.pick(FOREIGN)(backend, dice)
  backend.commit(null, 0)
  const state = backend.getLastLocalChange()!
  backend.free()
  return state
}

/** Runs that claim to be longer than anything, numbers without end: what a reader may make room for. */
const BOMBS = [
  'ffffffff07',
  'ffffffffffffff3f',
  '8080808010',
  '0000',
  '00ffffff7f',
  '808080808080807f',
  'ff7f',
  '7f',
]

/** An Automerge change near to a sound one; mostly its ops, in which small numbers mean something. */
export function alteredState(state: Uint8Array, dice: Dice): Uint8Array {
  return rechunked(state, body => {
    if (dice.chance(6)) return mutated(body, dice)
    const tail = Math.min(body.length, 10 + dice.roll(100))
    if (dice.chance(6)) {
      const at = body.length - dice.roll(tail)
      const bomb = fromHex(dice.pick(BOMBS))
      return Uint8Array.from([...body.subarray(0, at), ...bomb, ...body.subarray(at + dice.roll(4))])
    }
    for (let times = 1 + dice.roll(3); times > 0; times--) {
      const at = body.length - 1 - dice.roll(tail)
      body[at] = dice.chance(2) ? dice.roll(10) : body[at]! + dice.roll(3) - 1
    }
    return body
  })
}

type Op = ReturnType<typeof decodeChange>['ops'][number] & { elemId?: string; pred?: string[] }

/** What each part of an op may be made to name: any op that there is, of whatever kind. */
const MISWIRINGS: readonly ((op: Op, id: string) => Op)[] = [
  (op, id) => ({ ...op, obj: id }),
  ({ key: _, ...op }, id) => ({ ...op, elemId: id }) as Op,
  ({ elemId: _, ...op }, id) => ({ ...op, key: id }),
  (op, id) => ({ ...op, pred: [id] }),
  (op, id) => ({ ...op, pred: [...(op.pred ?? []), id] }),
]

/** An Automerge change of which one op names something else that is there, spelled as Automerge spells it. */
export function miswiredState(state: Uint8Array, known: readonly Uint8Array[], dice: Dice): Uint8Array {
  const ids = ['_root', '_head', ...[...known, state].flatMap(opIdsOf)]
  const decoded = decodeChange(state)
  const at = dice.roll(decoded.ops.length)
  const ops = decoded.ops.map((op, index) => (index === at ? dice.pick(MISWIRINGS)(op, dice.pick(ids)) : op))
  try {
    return encodeChange({ ...decoded, ops } as never)
  } catch {
    // Not everything can be spelled.
    return alteredState(state, dice)
  }
}

function opIdsOf(state: Uint8Array): string[] {
  const { actor, startOp, ops } = decodeChange(state)
  return ops.map((_, index) => `${startOp + index}@${actor}`)
}
