import { type Clock, OVERLAY_WORKFLOW, type Position } from '@weft/core'
import type { PeerEffect, PeerSession } from '@weft/protocol'
import { checkMark, invalid, type SessionSigner } from '../tokens/session-tokens.js'
import type { ContextLog } from '../log/context-log.js'
import type { OverlayDoor } from './overlay-door.js'

/** A question of a replica, which has one answer. */
export type Asked = PeerEffect & { do: 'attest' | 'present' | 'renew' | 'confirm' | 'barrier' }

/** What answers are made from. */
export interface AnswerDoor {
  readonly tenant: string
  readonly clock: Clock
  readonly sessions: SessionSigner
  readonly overlays: OverlayDoor
  /** Of a workflow that the connection follows. @throws WEFT_FRAME_UNEXPECTED */
  logOf(workflow: string): Promise<ContextLog>
}

/** What is sent in answer; of what is denied, why. */
export async function answerTo(
  question: Asked,
  session: PeerSession,
  door: AnswerDoor,
): Promise<readonly PeerEffect[]> {
  const { request } = question
  try {
    switch (question.do) {
      case 'attest': {
        const { position, token } = await attest(question, door)
        return session.attested(request, position, token)
      }
      case 'present':
        return session.attested(request, await present(question, door), '')
      case 'renew': {
        const log = await door.logOf(question.workflow)
        return session.renewed(request, log.renew(question.on, question.epoch))
      }
      case 'confirm': {
        const { position, ttl_ms } = await door.overlays.confirm(await door.logOf(OVERLAY_WORKFLOW), question)
        return session.current(request, position, ttl_ms)
      }
      default: {
        const holders = await door.overlays.barrier(await door.logOf(OVERLAY_WORKFLOW), question)
        return session.barred(request, holders, door.clock.steady())
      }
    }
  } catch (error) {
    return session.denied(request, error)
  }
}

async function attest({ workflow, position }: Asked & { do: 'attest' }, door: AnswerDoor) {
  const log = await door.logOf(workflow)
  if (position > log.count) throw invalid(`the log ends at ${log.count}`)
  const mark = { tenant: door.tenant, workflow, position, last: log.idAt(position) }
  return { position, token: await door.sessions.sign(mark, door.clock.now()) }
}

/** A log that ends before the mark may yet grow to it; one that has another change there never will. */
async function present({ workflow, token }: Asked & { do: 'present' }, door: AnswerDoor): Promise<Position> {
  const mark = await door.sessions.verify(token)
  checkMark(mark, door.tenant, workflow)
  const log = await door.logOf(workflow)
  if (mark.position <= log.count && !log.holds(mark.position, mark.last))
    throw invalid('the log has another history')
  return mark.position
}
