import { getBackend, init } from '@automerge/automerge'
import { encodeMessage } from '@weft/protocol'
import { Session } from 'node:inspector'
import { types } from 'node:util'
import { getHeapSnapshot, setFlagsFromString } from 'node:v8'

/*
 * Looks for secrets in what a thread can still reach: in all strings, whole, as a heap snapshot of V8 holds them; in the
 * bytes of all buffers, which no snapshot shows and the inspector finds; and in all documents of Automerge that were not
 * freed. Garbage is collected first, and what has been given back and not been written over yet counts for nothing: so
 * the answer is the same each time. It does not cover other threads, nor what native code keeps for itself.
 *
 * A secret is a stem, a letter, and an end. The stem is never held here but masked, or the search would find itself.
 */

const MASK = 0x55
const BEGINNING = 4
const END = '~'
const POOL_BYTES = 8_192

/** For whoever starts a process that searches itself. */
export function masked(stem) {
  return Buffer.from(stem, 'latin1')
    .map(byte => byte ^ MASK)
    .toString('hex')
}

const stem = Uint8Array.from(Buffer.from(process.env.STEM ?? '', 'hex'))

/** A secret as its author writes it: in one piece, for of a text that was put together V8 keeps the pieces. */
export function secret(letter) {
  return Buffer.from([...stem.map(byte => byte ^ MASK), ...Buffer.from(letter + END)]).toString('latin1')
}

/** @returns the letters of all secrets that are in buffers: to look into them alone takes no snapshot */
export function foundInBuffers() {
  useUpPools()
  return lettersIn(reachable().buffers)
}

/** @returns the letters of all secrets that are here, by where */
export async function found() {
  useUpPools()
  // V8 keeps the text that was last matched.
  ;/./.test('.')
  const { buffers, documents } = reachable()
  const saved = documents.map(document => document.saveNoCompress())
  const snapshot = []
  for await (const chunk of getHeapSnapshot()) snapshot.push(chunk)
  return {
    strings: lettersIn([Buffer.concat(snapshot)]),
    buffers: lettersIn(buffers),
    documents: lettersIn(saved),
  }
}

/** Has this process answer what its parent tells it to `do`. To be called before a secret is written. */
export function obey(commands) {
  setFlagsFromString('--heap-snapshot-string-limit=1000000000')
  useUpPools()
  process.on('message', async ({ do: name, ...told }) => {
    try {
      process.send({ result: (await commands[name](told)) ?? null })
    } catch (error) {
      process.send({ error: String(error.stack) })
    }
  })
  process.send({ result: 'ready' })
}

/**
 * Node cuts small buffers from pools, keeps the first for good and the last until it is used up, as the encoder does with
 * a piece of one until it has encoded as much as that holds.
 */
function useUpPools() {
  for (let i = 0; i < 4; i++) Buffer.allocUnsafe(POOL_BYTES / 2 - 1).fill(0)
  encodeMessage({ name: 'hello', versions: [1], token: '.'.repeat(60), client: '.'.repeat(62) })
}

function reachable() {
  const session = new Session()
  session.connect()
  const Document = documentClass()
  try {
    const buffers = new Set()
    const memories = new Set()
    const documents = []
    // Prototypes are among them, and are none of what they are prototypes of.
    for (const each of objects(session)) {
      if (ArrayBuffer.isView(each)) buffers.add(each.buffer)
      else if (types.isAnyArrayBuffer(each)) buffers.add(each)
      else if (each instanceof Document && isThere(each)) documents.push(each)
      else if (isMemory(each)) memories.add(each.buffer)
    }
    // The memory of Automerge, in which the documents lie, and what is left of those that were freed.
    for (const buffer of memories) buffers.delete(buffer)
    return { buffers: [...buffers], documents }
  } finally {
    session.disconnect()
  }
}

/** All objects, after what nobody can reach has been collected. Each search collects, and takes long: so it is one. */
function objects(session) {
  let all = []
  globalThis.take = list => {
    all = list
  }
  const { result } = post(session, 'Runtime.evaluate', { expression: 'Object.prototype' })
  const { objects: list } = post(session, 'Runtime.queryObjects', { prototypeObjectId: result.objectId })
  const functionDeclaration = 'function () { take(this) }'
  post(session, 'Runtime.callFunctionOn', { objectId: list.objectId, functionDeclaration })
  delete globalThis.take
  return all
}

/** In its own thread the inspector answers at once. */
function post(session, method, params) {
  let answer
  session.post(method, params, (error, result) => {
    if (error) throw new Error(error.message)
    answer = result
  })
  return answer
}

function documentClass() {
  const document = getBackend(init())
  document.free()
  return document.constructor
}

function isThere(document) {
  return document.__wbg_ptr > 0
}

function isMemory(object) {
  return object instanceof WebAssembly.Memory
}

function lettersIn(buffers) {
  const letters = new Set()
  const beginning = Buffer.from(stem.subarray(0, BEGINNING).map(byte => byte ^ MASK))
  for (const buffer of buffers) {
    const bytes = ArrayBuffer.isView(buffer) ? buffer : new Uint8Array(buffer)
    const { length } = stem
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = text.indexOf(beginning); at >= 0; at = text.indexOf(beginning, at + 1)) {
      const isWhole = stem.every((byte, i) => text[at + i] === (byte ^ MASK))
      if (isWhole && text[at + length + 1] === END.charCodeAt(0))
        letters.add(String.fromCharCode(text[at + length]))
    }
  }
  return [...letters].sort().join('')
}
