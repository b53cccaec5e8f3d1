import { Worker } from 'node:worker_threads'
import { reasonOf, WeftError } from '@weft/core'
import type { GatewayOptions } from './gateway.js'

export interface GatewayThreadOptions extends Pick<GatewayOptions, 'url' | 'schemas' | 'limits'> {
  /** Told when it dies, or could not be started. */
  readonly onDied?: (reason: string) => void
  /** As of a gateway; only the text of the error reaches this side. */
  readonly onDefect?: (error: unknown) => void
}

/** What the thread tells. */
export type FromWorker =
  | { readonly is: 'listening'; readonly port: number }
  | { readonly is: 'defect'; readonly reason: string }
  | { readonly is: 'failed'; readonly error: ReturnType<WeftError['toJSON']> }

const ENTRY = new URL('./gateway-worker.js', import.meta.url)
const BACKOFF_MS = 100
const BACKOFF_MS_MAX = 10_000
/** One that has lasted this long is begun anew at once when it dies. */
const LASTING_MS = 10_000
/** From the thread's beginning to its listening. */
const START_MS = 30_000
/** Beyond what the gateway itself takes. */
const CLOSE_GRACE_MS = 2_000

/** A thread that runs, or is about to. */
interface Running {
  readonly worker: Worker
  readonly port: Promise<number>
  readonly ended: Promise<void>
}

/**
 * A gateway in a thread of this process: begun when it is first asked for, and begun again when it is asked for after it
 * has died, less and less soon if it dies again and again.
 */
export class GatewayThread {
  #running: Running | undefined
  #deaths = 0
  #again_ms = 0
  #closed = false

  constructor(private readonly options: GatewayThreadOptions) {}

  /**
   * The loopback port that it listens at.
   * @throws WEFT_GATEWAY_DOWN while it is not to be begun again yet · WEFT_DRAINING once it is closed · WEFT_FILE_INVALID
   */
  async port(): Promise<number> {
    if (this.#closed) throw draining()
    const left_ms = this.#again_ms - Date.now()
    if (this.#running === undefined && left_ms > 0) throw down(left_ms)
    this.#running ??= this.#begin()
    return this.#running.port
  }

  /** Resolves when what it was doing is done, and durable. */
  async close(): Promise<void> {
    this.#closed = true
    const { worker, ended } = this.#running ?? {}
    if (worker === undefined) return
    const drain_ms = this.options.limits?.drain_ms ?? CLOSE_GRACE_MS
    const cut = setTimeout(() => void worker.terminate(), drain_ms * 2 + CLOSE_GRACE_MS)
    worker.postMessage('close')
    await ended
    clearTimeout(cut)
  }

  #begin(): Running {
    const { url, schemas, limits } = this.options
    const worker = new Worker(ENTRY, { workerData: { url, schemas, limits } })
    const begun_ms = Date.now()
    let reason = 'it ended'
    worker.on('error', error => {
      reason = reasonOf(error)
    })
    const ended = new Promise<void>(resolve => {
      worker.once('exit', () => {
        this.#ended(reason, Date.now() - begun_ms)
        resolve()
      })
    })
    const port = new Promise<number>((resolve, reject) => {
      const late = setTimeout(() => void worker.terminate(), START_MS).unref()
      worker.on('message', (message: FromWorker) => {
        if (message.is === 'defect') return this.options.onDefect?.(message.reason)
        clearTimeout(late)
        if (message.is === 'listening') return resolve(message.port)
        const { code, message: text, cure, details } = message.error
        reason = text
        reject(new WeftError(code, text, cure, details))
      })
      void ended.then(() => reject(down(this.#again_ms - Date.now())))
    })
    port.catch(() => {})
    return { worker, port, ended }
  }

  #ended(reason: string, lasted_ms: number): void {
    this.#running = undefined
    if (this.#closed) return
    this.#deaths = lasted_ms > LASTING_MS ? 0 : this.#deaths + 1
    this.#again_ms =
      this.#deaths === 0 ? 0 : Date.now() + Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (this.#deaths - 1))
    this.options.onDied?.(reason)
  }
}

function down(left_ms: number): WeftError {
  return new WeftError(
    'WEFT_GATEWAY_DOWN',
    `the gateway has died, and is begun again in ${Math.max(0, left_ms)} ms`,
    'ask again in a moment; if it goes on, look into the log of the peer',
  )
}

function draining(): WeftError {
  return new WeftError('WEFT_DRAINING', 'the gateway is shutting down', 'try again in a moment')
}
