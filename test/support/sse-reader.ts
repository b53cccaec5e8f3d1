import { onTestFinished } from 'vitest'

/** One event of a stream, as a browser would see it. */
export interface SseEvent {
  readonly event: string
  readonly id: string
  readonly data: Record<string, never>
}

/** Reads server-sent events as the WHATWG standard lays them out, as far as a feed uses it. */
export class SseReader {
  /** The id to resume behind: also of blocks without data. */
  lastId = ''
  #rest = ''
  readonly #queue: SseEvent[] = []
  readonly #abort = new AbortController()
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined
  blocks = 0

  private constructor(readonly response: Response) {
    this.#body = response.body?.getReader()
    onTestFinished(() => this.close())
  }

  static async open(url: string, init: RequestInit = {}): Promise<SseReader> {
    return new SseReader(await fetch(url, init))
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#body?.cancel().catch(() => {})
  }

  /** The next event with data; undefined when the stream has ended. */
  async next(): Promise<SseEvent | undefined> {
    while (this.#queue.length === 0) {
      const { done, value } = await this.#body!.read()
      if (done) return undefined
      this.#rest += Buffer.from(value).toString()
      const blocks = this.#rest.split('\n\n')
      this.#rest = blocks.pop()!
      for (const block of blocks) this.#take(block)
    }
    return this.#queue.shift()
  }

  async take(count: number): Promise<SseEvent[]> {
    const events: SseEvent[] = []
    while (events.length < count) {
      const event = await this.next()
      if (event === undefined) throw new Error(`the stream ended after ${events.length} of ${count}`)
      events.push(event)
    }
    return events
  }

  #take(block: string): void {
    this.blocks++
    const fields = new Map(
      block.split('\n').map(line => {
        const at = line.indexOf(': ')
        return [line.slice(0, at), line.slice(at + 2)] as const
      }),
    )
    this.lastId = fields.get('id') ?? this.lastId
    const data = fields.get('data')
    if (data === undefined) return
    this.#queue.push({ event: fields.get('event') ?? 'message', id: this.lastId, data: JSON.parse(data) })
  }
}
