import type { ContextEvent } from '@weft/core'
import { TIME_MS_MAX } from '../base/dates.js'

/** CloudEvents 1.0, as structured JSON: one thing that happened in a context. */
export interface CloudEvent {
  readonly specversion: '1.0'
  /** The id of the change: whoever gets it twice can tell. */
  readonly id: string
  /** `urn:weft:<tenant>:<workflow>` */
  readonly source: string
  readonly type: typeof EVENT_TYPE
  /** The branch. */
  readonly subject: string
  /** RFC 3339, by the author's clock; absent when that shows what no calendar does. */
  readonly time?: string
  readonly datacontenttype: 'application/json'
  /** The position, padded so that the order of texts is the order of the log. */
  readonly sequence: string
  readonly data: ContextEvent
}

export const EVENT_TYPE = 'weft.change.committed.v1'
const SEQUENCE_DIGITS = 16

export function cloudEvent(tenant: string, workflow: string, event: ContextEvent): CloudEvent {
  const { position, change, branch, time } = event
  return {
    specversion: '1.0',
    id: change,
    source: `urn:weft:${tenant}:${workflow}`,
    type: EVENT_TYPE,
    subject: branch,
    ...(time <= TIME_MS_MAX && { time: new Date(time).toISOString() }),
    datacontenttype: 'application/json',
    sequence: String(position).padStart(SEQUENCE_DIGITS, '0'),
    data: event,
  }
}
