import { type Position, WeftError, type WorkflowId } from '@weft/core'
import type { ReplicaEffect, ReplicaSession } from '@weft/protocol'
import type { ContextReplica } from './context-replica.js'
import type { Link } from './link.js'
import { type Deferred, deferred, type WaitOptions, within } from './waiting.js'

interface Attested {
  readonly position: Position
  readonly token: string
}

/** Session tokens, as this replica asks its peer for them and about them (SES-1 to SES-3). */
export class Sessions {
  readonly #asked = new Map<number, Deferred<Attested>>()

  constructor(
    private readonly session: ReplicaSession,
    private readonly link: Link,
  ) {}

  /** A token for all that is known here of a context's log. @throws WEFT_SESSION_* · WEFT_NOT_SYNCED · WEFT_ABORTED */
  async attest(context: ContextReplica, options: WaitOptions): Promise<string> {
    const request = this.session.questions.attest(context.workflow, context.index.highest)
    return (await this.#ask(request, context.workflow, options)).token
  }

  /**
   * Resolves when this replica knows all that the token stands for; it never answers with less (SES-2).
   * @throws WEFT_SESSION_* · WEFT_NOT_SYNCED with `details.missing` · WEFT_ABORTED
   */
  async reach(context: ContextReplica, token: string, options: WaitOptions): Promise<void> {
    const request = this.session.questions.present(context.workflow, token)
    const { position } = await this.#ask(request, context.workflow, options)
    let stop = (): void => {}
    const reached = new Promise<void>(resolve => {
      stop = context.onPosition(() => {
        if (context.index.position >= position) resolve()
      })
    })
    await within(reached, options, () => behind(context, position)).finally(() => stop())
  }

  answer(effect: ReplicaEffect & { do: 'attested' | 'denied' }): void {
    const asked = this.#asked.get(effect.request)
    if (effect.do === 'attested') asked?.resolve(effect)
    else asked?.reject(effect.error)
  }

  /** No connection will come any more. */
  fail(error: WeftError): void {
    for (const asked of this.#asked.values()) asked.reject(error)
  }

  async #ask(request: number, workflow: WorkflowId, options: WaitOptions): Promise<Attested> {
    const asked = deferred<Attested>()
    this.#asked.set(request, asked)
    this.link.schedulePump()
    try {
      return await within(asked.promise, options, () => unanswered(workflow))
    } finally {
      this.#asked.delete(request)
      this.session.questions.answered(request)
    }
  }
}

function behind({ index, workflow }: ContextReplica, position: Position): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `this replica knows ${workflow} up to ${index.position}, and the session has seen it up to ${position}`,
    'wait longer, or look whether the peer has all that it acknowledged: this is not an empty context',
    { missing: { from: index.position + 1, to: position } },
  )
}

function unanswered(workflow: WorkflowId): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `the peer did not answer about a session of ${workflow} in time`,
    'check the connection: a session is asked of the peer',
  )
}
