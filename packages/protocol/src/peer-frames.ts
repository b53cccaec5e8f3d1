import { type ChangeId, fromHex, type LogRecord, type OverlayHolder, type WeftError } from '@weft/core'
import { encodeMessage } from './codec.js'
import { groupsOf } from './groups.js'
import { type Message, WIRE_LIMITS } from './messages.js'
import type { PeerEffect } from './peer-effects.js'

/** An id and a position. */
const ACK_BYTES = 41
const DETAILS_CHARS_MAX = 8_192
const NAME_CHARS_MAX = 256

export function send(message: Message): PeerEffect {
  return { do: 'send', frame: encodeMessage(message) }
}

export function sendFail(channel: number | null, { code, message, cure }: WeftError): PeerEffect {
  return send({ name: 'fail', channel, code, message: cut(message), cure: cut(cure) })
}

export function acknowledge(channel: number, records: readonly LogRecord[]): PeerEffect[] {
  return [...groupsOf(records, () => ACK_BYTES)].map(group => {
    const ids = fromHex(group.map(record => record.id).join(''))
    return send({ name: 'ack', channel, ids, positions: group.map(record => record.position) })
  })
}

export function packHeads(heads: readonly ChangeId[]): Uint8Array {
  return fromHex(heads.slice(0, WIRE_LIMITS.heads_max).join(''))
}

/** A text that is shown to people, no longer than its field. */
function cut(text: string): string {
  return text.slice(0, 1_024)
}

export function sendRefusal(channel: number, id: ChangeId | '', error: WeftError): PeerEffect {
  const { code, message, cure } = error
  const details = JSON.stringify(error.details)
  return send({
    name: 'refuse',
    channel,
    id: fromHex(id),
    code,
    message: cut(message),
    cure: cut(cure),
    details: details.length > DETAILS_CHARS_MAX ? null : details,
  })
}

export function sendDenial(request: number, { code, message, cure }: WeftError): PeerEffect {
  return send({ name: 'denied', request, code, message: cut(message), cure: cut(cure) })
}

export function sendBarred(request: number, holders: readonly OverlayHolder[], now_ms: number): PeerEffect {
  const last = holders.reduce((latest, { until_ms }) => Math.max(latest, until_ms), now_ms)
  const names = holders.slice(0, WIRE_LIMITS.holders_max).map(({ name }) => name.slice(0, NAME_CHARS_MAX))
  return send({ name: 'barred', request, holders: names, left_ms: Math.ceil(last - now_ms) })
}

export type Question = Message & { name: 'attest' | 'present' | 'renew' | 'barrier' }

/** A question, handed on as it came. */
export function asked({ name, ...question }: Question): PeerEffect {
  return { do: name, ...question } as PeerEffect
}
