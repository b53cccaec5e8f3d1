import type { Json } from '../base/json.js'
import { type Message, type Part, textPart, type ToolResultPart } from './window-message.js'

/** The entries of one unit as messages, in order; flagged ones are marked as stale. */
export interface UnitPart {
  readonly messages: readonly Message[]
  readonly flagged: boolean
}

const MARK = '[stale]'

/**
 * What a unit says (WIN-2). Its calls are one message, its results follow at once and in the calls' order: no API takes
 * anything in between. What else its entries say comes before or after.
 */
export function messagesOfUnit(parts: readonly UnitPart[]): Message[] {
  const messages = parts.flatMap(part => (part.flagged ? part.messages.map(marked) : part.messages))
  const first = messages.findIndex(message => message.parts.some(isTool))
  if (first < 0) return messages
  const rest = messages.slice(first)
  const calling = rest.filter(message => message.parts.some(isCall))
  const calls = calling.flatMap(message => message.parts.filter(isCall))
  const said = calling.flatMap(message => message.parts.filter(part => !isTool(part)))
  const after = rest
    .filter(message => !calling.includes(message))
    .map(
      ({ role, parts: all }): Message => ({
        role: role === 'tool' ? 'user' : role,
        parts: all.filter(part => !isTool(part)),
      }),
    )
  return [
    ...messages.slice(0, first),
    { role: 'assistant', parts: [...said, ...calls] },
    { role: 'tool', parts: answers(calls, rest) },
    ...after.filter(message => message.parts.length > 0),
  ]
}

/**
 * What a unit says that lacks a call or a result, for those that must be in a window: as text, which no API refuses.
 * @param mayBeErased whether what it lacks may have been here: who reads that a call has not ended makes it again
 */
export function messagesOfBroken(parts: readonly UnitPart[], mayBeErased: boolean): Message[] {
  const messages = parts.flatMap(part => (part.flagged ? part.messages.map(marked) : part.messages))
  const answered = new Set(messages.flatMap(message => message.parts.filter(isResult).map(({ id }) => id)))
  const endOf = (id: string): string => {
    if (!mayBeErased) return '; no result yet'
    return answered.has(id) ? '' : '; no result here: it may have been erased'
  }
  return messages.map(({ role, parts: all }) => ({
    role: role === 'tool' ? 'user' : role,
    parts: all.map(part => told(part, endOf)),
  }))
}

function answers(calls: readonly Part[], messages: readonly Message[]): ToolResultPart[] {
  const results = messages.flatMap(message => message.parts.filter(isResult))
  return calls.flatMap(call => {
    if (!isCall(call)) return []
    const at = results.findIndex(result => result.id === call.id)
    return results.splice(at, 1).map(result => ({ ...result, name: result.name ?? call.name }))
  })
}

function told(part: Part, endOf: (call: string) => string): Part {
  if (isCall(part)) return textPart(`[tool call ${part.id}: ${part.name}(${part.input})${endOf(part.id)}]`)
  if (isResult(part)) return textPart(`[tool result of ${part.id}: ${textOf(part)}]`)
  return part
}

function marked({ role, parts }: Message): Message {
  const result = parts.some(isResult)
  const mark = (part: Part): Part => (isResult(part) ? { ...part, output: markedOutput(part) } : part)
  if (result) return { role, parts: parts.map(mark) }
  const [first, ...rest] = parts
  if (first?.type === 'text') return { role, parts: [textPart(`${MARK} ${first.text}`), ...rest] }
  return { role, parts: [textPart(MARK), ...parts] }
}

function markedOutput(part: ToolResultPart): Json {
  const { of, output } = part
  return of === undefined ? `${MARK} ${textOf(part)}` : [{ type: 'text', text: MARK }, ...(output as Json[])]
}

function textOf({ output }: ToolResultPart): string {
  return typeof output === 'string' ? output : JSON.stringify(output)
}

function isCall(part: Part): part is Part & { type: 'tool-call' } {
  return part.type === 'tool-call'
}

function isResult(part: Part): part is ToolResultPart {
  return part.type === 'tool-result'
}

function isTool(part: Part): boolean {
  return isCall(part) || isResult(part)
}
