import {
  type Clock,
  contextEvent,
  decodeChange,
  encodeUtf8,
  type Filter,
  type Hash,
  type LogRecord,
  matchesFilter,
  type Position,
  unreached,
  WeftError,
} from '@weft/core'
import type { PeerLimits } from '../base/limits.js'
import type { LiveGrants } from '../tokens/live-grants.js'
import { checkReader } from '../tokens/rights.js'
import type { TokenGrant } from '../tokens/token.js'
import type { ContextLog } from '../log/context-log.js'
import { followLog } from '../log/follow-log.js'
import type { Contexts } from '../tenants/contexts.js'
import { cloudEvent } from './cloud-event.js'
import { problemOf } from './problem.js'

export interface FeedHost {
  /** @throws WEFT_STORE_FAILED while there is none */
  contexts(): Contexts
  readonly limits: PeerLimits
  readonly clock: Clock
  readonly grants: LiveGrants
  readonly hash: Hash
}

export interface FeedRequest {
  readonly grant: TokenGrant
  readonly workflow: string
  /** The first position that is told. */
  readonly from: Position
  readonly filter: Filter
  /** Breaks the reader off: one that reads nothing does not read that its feed has ended either. */
  readonly cut: () => void
}

interface Feed {
  readonly request: FeedRequest
  readonly ended: AbortController
  close(): void
}

/** The open feeds: contexts as CloudEvents over server-sent events, each a cursor into its log. */
export class Feeds {
  /** Those among them that are being opened: who asks for many at once is given no more of them. */
  readonly #open = new Set<Feed>()

  constructor(private readonly host: FeedHost) {}

  get size(): number {
    return this.#open.size
  }

  /**
   * The bytes of an event stream. Its ids are positions, so that whoever was cut off resumes behind the last one.
   * @throws WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN · WEFT_ID_INVALID · WEFT_POSITION_UNKNOWN · WEFT_LIMIT · WEFT_DRAINING ·
   *   WEFT_STORE_*
   */
  async open(request: FeedRequest): Promise<ReadableStream<Uint8Array>> {
    const { grant, workflow, from } = request
    const { limits, clock, grants } = this.host
    checkReader(grant, workflow)
    if (this.#open.size >= limits.connections_max) throw tooMany(this.#open.size)
    const contexts = this.host.contexts()
    const ended = new AbortController()
    // Held from now on: what is revoked while the context is being opened ends this, too.
    const letGo = grants.hold(grant, error => ended.abort(error))
    const close = (): void => {
      if (!this.#open.delete(feed)) return
      letGo()
      contexts.release(grant.tenant, workflow)
    }
    const feed: Feed = { request, ended, close }
    this.#open.add(feed)
    try {
      const log = await contexts.acquire(grant.tenant, workflow)
      ended.signal.throwIfAborted()
      if (from < 1 || from > log.count + 1) throw unreached(from, log.count)
      ended.signal.addEventListener('abort', () => {
        clock.after(GRACE_MS, () => this.#open.has(feed) && request.cut())
      })
      return streamOf(this.#frames(feed, log), feed)
    } catch (error) {
      close()
      throw error
    }
  }

  /** Ends all feeds, telling each reader why. */
  end(error: WeftError): void {
    for (const { ended } of this.#open) ended.abort(error)
  }

  async *#frames({ request, ended }: Feed, log: ContextLog): AsyncGenerator<string> {
    const { clock, limits } = this.host
    let position = request.from - 1
    yield OPENING
    try {
      const options = { clock, signal: ended.signal, quiet_ms: limits.ping_ms }
      for await (const records of followLog(log, request.from, options)) {
        position += records.length
        yield `${records.map(record => this.#frame(request, record)).join('')}id: ${position}\n\n`
      }
      if (ended.signal.reason instanceof WeftError) yield failure(ended.signal.reason)
    } catch (error) {
      yield failure(error)
    }
  }

  #frame({ grant, workflow, filter }: FeedRequest, { position, bytes }: LogRecord): string {
    const change = decodeChange(bytes, this.host.hash)
    if (!matchesFilter(filter, change.header)) return ''
    const event = cloudEvent(grant.tenant, workflow, contextEvent(position, change))
    return `id: ${position}\ndata: ${JSON.stringify(event)}\n\n`
  }
}

/** A feed that has ended is over within this time, whether its reader takes notice or not. */
const GRACE_MS = 500
/** How long a reader waits before it connects again, ms. */
const OPENING = 'retry: 1000\n\n'

/** What a reader is told last: the problem, and not an event that it might take for one of the log. */
function failure(error: unknown): string {
  return `event: fail\ndata: ${JSON.stringify(problemOf(error))}\n\n`
}

/** Frames as they are asked for; nothing is made before. */
function streamOf(frames: AsyncGenerator<string>, { ended, close }: Feed): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await frames.next()
        if (!done) return controller.enqueue(encodeUtf8(value))
        close()
        controller.close()
      },
      async cancel() {
        ended.abort()
        close()
        // Or it would stay where it was about to be read on, and follow its log as long as that is open.
        await frames.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

function tooMany(open: number): WeftError {
  return new WeftError(
    'WEFT_LIMIT',
    `there are ${open} feeds open already`,
    'close some that are not in use, or try again later',
  )
}
