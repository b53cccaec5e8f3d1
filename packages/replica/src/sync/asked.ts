import type { Clock, WeftError } from '@weft/core'
import type { Questions, ReplicaEffect } from '@weft/protocol'
import { type Deferred, deferred, type WaitOptions, within } from '../base/waiting.js'
import type { Link } from './link.js'

type Answer = Extract<ReplicaEffect, { readonly do: 'attested' | 'renewed' | 'current' | 'barred' }>

/** Questions to the peer, each answered once, over any number of connections. */
export class Asked {
  readonly #open = new Map<number, Deferred<Answer>>()
  #failure: WeftError | undefined

  constructor(
    readonly questions: Questions,
    private readonly link: Link,
  ) {}

  /** What waiting goes by. */
  get clock(): Clock {
    return this.link.clock
  }

  /**
   * @param request the number of a question that was put to `questions`
   * @throws what the peer denies it with, what `late` makes, WEFT_ABORTED, and why no connection comes any more
   */
  async answer<Kind extends Answer['do']>(
    request: number,
    options: WaitOptions,
    late: () => WeftError,
  ): Promise<Extract<Answer, { readonly do: Kind }>> {
    const asked = deferred<Answer>()
    if (this.#failure) asked.reject(this.#failure)
    this.#open.set(request, asked)
    this.link.schedulePump()
    try {
      return (await within(this.clock, asked.promise, options, late)) as Extract<
        Answer,
        { readonly do: Kind }
      >
    } finally {
      this.#open.delete(request)
      this.questions.answered(request)
    }
  }

  answered(effect: Answer | (ReplicaEffect & { readonly do: 'denied' })): void {
    const asked = this.#open.get(effect.request)
    if (effect.do === 'denied') asked?.reject(effect.error)
    else asked?.resolve(effect)
  }

  /**
   * No connection will come any more.
   * @param told those who have asked and were not answered, if not that
   */
  fail(error: WeftError, told = error): void {
    this.#failure ??= error
    for (const asked of this.#open.values()) asked.reject(told)
  }
}
