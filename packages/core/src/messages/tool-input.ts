import { isPlainObject, type JsonObject } from '../base/json.js'
import type { ToolCallPart } from './window-message.js'

/** The arguments of a call as the object that APIs ask for; what a model wrote amiss stays readable below `input`. */
export function inputOf({ input }: ToolCallPart): JsonObject {
  try {
    const value: unknown = JSON.parse(input)
    return isPlainObject(value) ? (value as JsonObject) : { input: value as JsonObject }
  } catch {
    return { input }
  }
}
