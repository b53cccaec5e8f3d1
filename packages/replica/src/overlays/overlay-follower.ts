import { type Clock, isEngineOverlay, type Position, WeftError } from '@weft/core'
import { type Deferred, deferred, type WaitOptions, within } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import type { OverlayTable } from './overlay-table.js'
import { StepOverlays } from './step-overlays.js'

/** How long an answer is waited for before anything is known of how long answers hold. */
const FIRST_TTL_MS = 5_000
/** What is known is confirmed so often while an answer holds. */
const CONFIRMATIONS = 3

/** The peer's word that the log of overlays ends at a position, by this process's clock. */
interface Current {
  readonly position: Position
  readonly until_ms: number
}

/**
 * Sees to it that no step begins under an overlay that is not in force (OVL-2): keeps the peer's word that what is known
 * here is current, renewed in the background, so that a step that begins asks nobody.
 */
export class OverlayFollower {
  readonly #running = new Set<StepOverlays>()
  readonly #closed = new AbortController()
  #current: Current | undefined
  #ttl_ms = FIRST_TTL_MS
  #failure: WeftError | undefined
  #moved: Deferred<void> = deferred()
  #cancelTimer: () => void = () => {}

  constructor(
    private readonly context: ContextReplica,
    private readonly table: OverlayTable,
    private readonly asked: Asked,
    private readonly clock: Clock,
  ) {
    void this.#confirm()
  }

  /**
   * The overlays that a step which begins now runs under; `end` them with it. At once, unless it is not known whether
   * they are current: then it is waited for.
   * @throws WEFT_OVERLAY_UNKNOWN when `timeout_ms` passes first · WEFT_ABORTED · WEFT_CLOSED · WEFT_SCOPE, and why no
   *   connection comes
   */
  begin(options: WaitOptions): StepOverlays | Promise<StepOverlays> {
    if (this.#isCurrent) return this.#begin()
    const late = () => unknown(options.timeout_ms)
    return within(this.clock, this.#untilCurrent(), options, late).then(() => this.begin(options))
  }

  /** The table has changed. */
  learned(): void {
    const { position } = this.context.index
    if (position < (this.#current?.position ?? 0)) this.#current = undefined
    for (const running of this.#running) running.hold(this.table.inForce)
    // What was current still may be relied on: what came since is known now, and what comes next will be waited for.
    if (!this.#isCurrent) void this.#confirm()
  }

  /** No step begins any more. */
  close(reason: WeftError): void {
    this.#closed.abort(reason)
    this.#end(reason)
  }

  get #isCurrent(): boolean {
    const { position, until_ms } = this.#current ?? NOT_KNOWN
    return position <= this.context.index.position && this.clock.steady() < until_ms
  }

  #begin(): StepOverlays {
    const told = this.table.list().filter(({ name }) => !isEngineOverlay(name))
    const begun = new StepOverlays(told, ended => this.#running.delete(ended))
    this.#running.add(begun)
    return begun
  }

  async #untilCurrent(): Promise<void> {
    while (!this.#isCurrent) {
      if (this.#failure) throw this.#failure
      await this.#moved.promise
    }
  }

  async #confirm(): Promise<void> {
    if (this.#failure) return
    this.#confirmLater()
    const asked_ms = this.clock.steady()
    const { index } = this.context
    const request = this.asked.questions.confirm(index.position, index.idAt(index.position) ?? '')
    const wait = { timeout_ms: this.#ttl_ms, signal: this.#closed.signal }
    try {
      const { position, ttl_ms } = await this.asked.answer<'current'>(request, wait, () =>
        unknown(this.#ttl_ms),
      )
      if (ttl_ms > 0) this.#confirmed({ position, until_ms: asked_ms + ttl_ms }, ttl_ms)
      else if (position > index.position) this.#current = undefined
    } catch {
      // It is asked again soon, unless the peer will not answer at all.
      const { failure } = this.context
      if (failure) this.#end(failure)
    }
  }

  #confirmLater(): void {
    this.#cancelTimer()
    this.#cancelTimer = this.clock.after(this.#ttl_ms / CONFIRMATIONS, () => void this.#confirm())
  }

  #confirmed(current: Current, ttl_ms: number): void {
    if (this.#failure) return
    if (ttl_ms !== this.#ttl_ms) {
      this.#ttl_ms = ttl_ms
      // The timer was set when nothing was known of how long answers hold: this one may have run out before it.
      this.#confirmLater()
    }
    if (current.until_ms <= (this.#current?.until_ms ?? 0)) return
    this.#current = current
    this.#tell()
  }

  /** No step begins any more. */
  #end(reason: WeftError): void {
    this.#cancelTimer()
    this.#failure = reason
    this.#current = undefined
    this.#tell()
  }

  #tell(): void {
    this.#moved.resolve()
    this.#moved = deferred()
  }
}

const NOT_KNOWN: Current = { position: 0, until_ms: 0 }

function unknown(timeout_ms: number | undefined): WeftError {
  return new WeftError(
    'WEFT_OVERLAY_UNKNOWN',
    `the peer did not say within ${timeout_ms} ms which overlays are in force`,
    'check the connection; a step begins when the peer can be asked again, so wait longer, or connect without overlays',
  )
}
