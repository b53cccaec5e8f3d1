interface Hub {
  readonly listening: Set<() => void>
  stop(): void
}

const hubs = new WeakMap<AbortSignal, Hub>()

/**
 * Calls back when a signal aborts, until the returned function is called. However many listen, the signal has one listener
 * of this package's: of more than ten Node warns as of a leak, and a worker may have one signal for all that it does.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const hub = hubs.get(signal) ?? hubOf(signal)
  // One function may listen twice, and stop once.
  const listening = (): void => listener()
  hub.listening.add(listening)
  return () => {
    if (hub.listening.delete(listening) && hub.listening.size === 0) hub.stop()
  }
}

function hubOf(signal: AbortSignal): Hub {
  const listening = new Set<() => void>()
  const tell = (): void => {
    for (const each of listening) each()
  }
  const stop = (): void => {
    hubs.delete(signal)
    signal.removeEventListener('abort', tell)
  }
  signal.addEventListener('abort', tell)
  const hub = { listening, stop }
  hubs.set(signal, hub)
  return hub
}

/**
 * A signal that aborts when one of others does, until it is let go of. One of `AbortSignal.any` that somebody listens to is
 * kept, with all that listens to it, for as long as the others live.
 */
export class LinkedSignal {
  readonly #controller = new AbortController()
  readonly #unlinks: (() => void)[]

  constructor(others: readonly AbortSignal[]) {
    for (const other of others) if (other.aborted) this.abort(other.reason)
    this.#unlinks = others.map(other => onAbort(other, () => this.abort(other.reason)))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** It no longer aborts with the others. */
  letGo(): void {
    for (const unlink of this.#unlinks.splice(0)) unlink()
  }
}
