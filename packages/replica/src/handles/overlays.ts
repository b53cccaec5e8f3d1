import { engineOverlay, type OverlayName, type Position, validateOverlay, WeftError } from '@weft/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkWait, deferred, type WaitOptions, within } from '../base/waiting.js'
import type { Asked } from '../sync/asked.js'
import type { ContextReplica } from '../sync/context-replica.js'
import { OverlayFollower } from '../overlays/overlay-follower.js'
import {
  type OverlayKey,
  OverlayTable,
  type OverlayValueOf,
  type OverlayVersion,
  overlayNameOf,
  typed,
} from '../overlays/overlay-table.js'
import { type Published, type PublishOptions, publishOverlay } from './overlay-publish.js'

export interface OverlaysHost {
  readonly asked: Asked
  /** Follows the log of the tenant's overlays, until the replica is closed. */
  follow(): ContextReplica
}

type InputOf<Key> = Key extends { readonly schema: infer Schema extends StandardSchemaV1 }
  ? StandardSchemaV1.InferInput<Schema>
  : unknown

interface Open {
  readonly context: ContextReplica
  readonly table: OverlayTable
}

const TIMEOUT_MS = 10_000

/**
 * The overlays of the tenant: versioned instructions to all of its workers, kept and pushed by the peer (OVL-1). They
 * are a context of the engine's own, followed from the first use on.
 */
export class Overlays {
  #open: Open | undefined
  #follower: OverlayFollower | undefined
  #ended = new AbortController()

  /** @internal Made by `connect`. */
  constructor(private readonly host: OverlaysHost) {}

  /**
   * Publishes the next version of an overlay: in force for every step that begins from then on.
   * @param key a definition, whose schema the value must satisfy, or a name
   * @throws WEFT_SCHEMA_REFUSED · WEFT_SCHEMA_ASYNC · WEFT_VALUE_NOT_JSON · WEFT_ID_INVALID · WEFT_USAGE ·
   *   WEFT_LABEL_INVALID · WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN · WEFT_LIMIT · WEFT_CHANGE_TOO_LARGE ·
   *   WEFT_OVERLAY_VERSION when another than `after` is in force: nothing was published · WEFT_OVERLAY_BARRIER, with who
   *   holds it and until when at most in `details`: it was · WEFT_NOT_SYNCED · WEFT_ABORTED: it may have been
   */
  async publish<const Key extends OverlayKey>(
    key: Key,
    value: InputOf<Key>,
    options: PublishOptions = {},
  ): Promise<Published> {
    const name = overlayNameOf(key)
    const json = validateOverlay(name, schemaOf(key), value)
    const host = { ...(await this.#synced(options)), asked: this.host.asked }
    return publishOverlay(host, name, json, options)
  }

  /**
   * The version in force; undefined when there is none.
   * @throws WEFT_SCHEMA_REFUSED when it does not fit the definition · WEFT_NOT_SYNCED · WEFT_SCOPE · WEFT_ABORTED
   */
  async get<const Key extends OverlayKey>(
    key: Key,
    options: WaitOptions = {},
  ): Promise<OverlayVersion<OverlayValueOf<Key>> | undefined> {
    const version = (await this.#synced(options)).table.get(overlayNameOf(key))
    return version && typed(key, version)
  }

  /** All in force. @throws WEFT_NOT_SYNCED · WEFT_SCOPE · WEFT_ABORTED */
  async list(options: WaitOptions = {}): Promise<OverlayVersion[]> {
    return (await this.#synced(options)).table.list()
  }

  /** All versions that there ever were, oldest first: of one overlay, or of all. @throws as `list` */
  async history(name?: OverlayName, options: WaitOptions = {}): Promise<OverlayVersion[]> {
    const all = (await this.#synced(options)).table.history()
    return name === undefined ? all : all.filter(version => version.name === name)
  }

  /**
   * Each version as it comes, until the signal aborts.
   * @param options.after begin behind this position of their log; default: with what comes from now on
   * @throws as `list`
   */
  async *watch(
    options: WaitOptions & { readonly after?: Position } = {},
  ): AsyncGenerator<OverlayVersion, void, undefined> {
    const { context, table } = await this.#synced(options)
    const { signal } = this.#ended
    const until = options.signal ? AbortSignal.any([options.signal, signal]) : signal
    let seen = options.after ?? context.index.position
    for (;;) {
      await untilBehind(context, seen, until)
      if (options.signal?.aborted) return
      signal.throwIfAborted()
      const news = table.history(seen)
      seen = context.index.position
      for (const version of news) {
        yield version
        if (options.signal?.aborted) return
      }
    }
  }

  /** @internal Steps run under the overlays in force while this is kept. */
  follow(): OverlayFollower {
    const { context, table } = this.#opened()
    this.#follower ??= new OverlayFollower(context, table, this.host.asked, context.host.clock)
    return this.#follower
  }

  /** @internal Their log will not be served any more. */
  failed(reason: WeftError): void {
    this.#follower?.close(reason)
    this.#follower = undefined
    this.#ended.abort(reason)
    this.#ended = new AbortController()
  }

  #opened(): Open {
    const context = this.host.follow()
    if (this.#open?.context === context) return this.#open
    const table = new OverlayTable(context)
    this.#open = { context, table }
    context.onPosition(() => {
      if (table.refresh()) this.#follower?.learned()
    })
    return this.#open
  }

  async #synced(options: WaitOptions): Promise<Open> {
    const open = this.#opened()
    const { timeout_ms = TIMEOUT_MS } = checkWait(options)
    await within(open.context.host.clock, open.context.synced, { ...options, timeout_ms }, () =>
      notSynced(timeout_ms),
    )
    return open
  }
}

/** What is the engine's own has a schema, whoever publishes it by its name. */
function schemaOf(key: OverlayKey): StandardSchemaV1 | undefined {
  const definition = engineOverlay(overlayNameOf(key)) ?? (typeof key === 'string' ? undefined : key)
  return definition?.schema
}

/** Resolves when more than `seen` is known, or the signal aborts. */
async function untilBehind(context: ContextReplica, seen: Position, signal: AbortSignal): Promise<void> {
  const moved = deferred<void>()
  const ended = (): void => moved.resolve()
  const stop = context.onPosition(() => context.index.position > seen && ended())
  signal.addEventListener('abort', ended, { once: true })
  if (signal.aborted) ended()
  await moved.promise
  stop()
  signal.removeEventListener('abort', ended)
}

function notSynced(timeout_ms: number): WeftError {
  return new WeftError(
    'WEFT_NOT_SYNCED',
    `the tenant's overlays were not here within ${timeout_ms} ms`,
    'check the connection, or wait longer',
  )
}
