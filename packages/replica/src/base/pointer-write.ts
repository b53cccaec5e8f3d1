import { type Json, type JsonObject, namesItem, parsePointer, sayWritten, WeftError } from '@weft/core'
import { produce } from 'immer'

/** As RFC 6901 spells it: what else a number can be read from names no item. */
const INDEX = /^(0|[1-9]\d{0,14})$/

type Container = Record<string, Json | undefined> | Json[]

/**
 * `root` with `value` at `pointer`; undefined removes what is there. An item that its list holds no more, which conflicts name
 * by a mark, can only be gone. @throws WEFT_POINTER_INVALID
 */
export function withValueAt(root: JsonObject, pointer: string, value: Json | undefined): JsonObject {
  if (namesItem(pointer)) return value === undefined ? root : refuseGone(pointer)
  const keys = parsePointer(pointer)
  const last = keys.pop()
  if (last === undefined)
    return isObject(value) ? value : refuse(pointer, 'the whole state can only be an object')
  return produce(root, draft => {
    let parent = draft as Container
    for (const key of keys) {
      // What every object has of its prototype is no part of the state, and is not to be written into.
      const next = Object.hasOwn(parent, key) ? (parent as Record<string, Json | undefined>)[key] : undefined
      if (typeof next !== 'object' || next === null)
        refuse(pointer, `there is nothing at ${JSON.stringify(key)} to write into`)
      parent = next as Container
    }
    if (!Array.isArray(parent)) {
      if (last === '__proto__') refuse(pointer, 'no object may have the key "__proto__"')
      if (value === undefined) delete parent[last]
      else parent[last] = value
      return
    }
    const index = last === '-' ? parent.length : INDEX.test(last) ? Number(last) : -1
    if (index < 0 || index > parent.length) refuse(pointer, `a list has no item ${last}`)
    if (value === undefined) parent.splice(index, 1)
    else parent[index] = value
  })
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a pointer goes by an item of a list. */
export function goesByItem(root: JsonObject, pointer: string): boolean {
  let at: Json | undefined = root
  for (const key of parsePointer(pointer)) {
    if (Array.isArray(at)) return true
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as JsonObject)[key] : undefined
  }
  return false
}

function refuseGone(pointer: string): never {
  throw new WeftError(
    'WEFT_POINTER_INVALID',
    `${sayWritten(pointer)} cannot be written: its list does not hold that item any more`,
    'put it back where it belongs with `change`, if it has to be there, and resolve the conflict with undefined',
    { pointer },
  )
}

function refuse(pointer: string, why: string): never {
  throw new WeftError(
    'WEFT_POINTER_INVALID',
    `${JSON.stringify(pointer)} cannot be written: ${why}`,
    'write to a pointer whose parent exists',
    { pointer },
  )
}
