import { OverlayLeases, Overlays, overlayGate } from '@weft/core'
import type { Change, ChangeGate, Enforcement } from '@weft/core'
import type { Dice } from './core-property.ts'
import { publication, stepUnder } from './overlay-changes.ts'

const TTL_MS = 60

/** Sealed once for all worlds: a gate reads what they say, and to seal one takes longer than all that it then does. */
const published = memo((version: number, enforce: Enforcement) => publication('house', version, { enforce }))
const committed = memo((version: number) => stepUnder(version === 0 ? {} : { house: version }))

function memo<Args extends readonly unknown[]>(make: (...args: Args) => Change): (...args: Args) => Change {
  const made = new Map<string, Change>()
  return (...args) => {
    const key = args.join()
    const change = made.get(key) ?? make(...args)
    made.set(key, change)
    return change
  }
}

/** A step that was begun under a version, and what has become of it. */
interface Running {
  readonly version: number
  aborted: boolean
}

interface Worker {
  known: number
  /** By its own clock, which it reads when it asks. */
  until_ms: number
  connected: boolean
  steps: Running[]
  /** What is on the way to it, and from it, in order. */
  readonly inbox: (() => void)[]
  readonly outbox: (() => void)[]
}

/** What must never be: a step that was begun, or committed, under an older version after its barrier was reached. */
export interface Broken {
  readonly what: 'begun' | 'committed'
  readonly version: number
  readonly barrier: number
}

/**
 * A peer, workers and a publisher in one process, with nothing but the decisions of the core: messages are delivered one
 * at a time in the order of their channel, at any moment that the dice say; connections break; the peer restarts.
 */
export class OverlayWorld {
  now_ms = 1_000
  committed = 0
  barriers = 0
  refused = 0
  readonly broken: Broken[] = []
  readonly #workers: Worker[]
  readonly #log: Change[] = []
  #gate!: ChangeGate
  #overlays!: Overlays
  #leases!: OverlayLeases
  /** The highest version whose barrier was reached. */
  #barred = 0
  #awaited: number[] = []
  /** Admitted and not on disk. */
  #unwritten: { readonly version: number }[] = []
  readonly #acts: readonly ((worker: Worker) => void)[] = [
    ...[1, 2, 3, 4].flatMap(() => [
      (worker: Worker) => this.#deliver(worker.inbox),
      (worker: Worker) => this.#deliver(worker.outbox),
    ]),
    worker => this.#ask(worker),
    worker => this.#beginStep(worker),
    worker => this.#beginStep(worker),
    worker => this.#endStep(worker),
    () => this.#flush(),
    () => this.#elapse(1 + this.dice(8)),
    () => this.#seldom(5, () => this.#publish()),
    worker => this.#seldom(worker.connected ? 20 : 2, () => this.#toggle(worker)),
    () => this.#seldom(100, () => this.#begin(this.now_ms)),
  ]

  constructor(
    private readonly dice: Dice,
    workers: number,
    private readonly enforce: Enforcement = 'commit',
  ) {
    this.#workers = Array.from({ length: workers }, () => ({
      known: 0,
      until_ms: 0,
      connected: true,
      steps: [],
      inbox: [],
      outbox: [],
    }))
    // Nobody was there before it.
    this.#begin(-TTL_MS)
    for (const worker of this.#workers) worker.connected = true
  }

  /** One thing happens. */
  turn(): void {
    const worker = this.#workers[this.dice(this.#workers.length)]!
    this.#acts[this.dice(this.#acts.length)]!(worker)
    this.#lookAtBarriers()
  }

  #seldom(times: number, act: () => void): void {
    if (this.dice(times) === 0) act()
  }

  /** The peer begins, on what is on its disk. */
  #begin(started_ms: number): void {
    this.#overlays = new Overlays()
    for (const [at, { header }] of this.#log.entries()) this.#overlays.add(header, at + 1)
    this.#gate = overlayGate(this.#overlays, 'w')
    this.#leases = new OverlayLeases(TTL_MS, started_ms)
    this.#unwritten = []
    for (const worker of this.#workers) this.#disconnect(worker)
  }

  #deliver(queue: (() => void)[]): void {
    queue.shift()?.()
  }

  #publish(): void {
    const change = published(this.#log.length + 1, this.enforce)
    const gate = overlayGate(this.#overlays, '@overlays')
    gate.check(change)
    this.#log.push(change)
    gate.admitted(change, this.#log.length)
    this.#awaited.push(this.#log.length)
    for (const worker of this.#workers) if (worker.connected) this.#tell(worker, this.#log.length)
  }

  #tell(worker: Worker, position: number): void {
    worker.inbox.push(() => {
      worker.known = Math.max(worker.known, position)
      // Half of them hear too late that they should stop: then the peer has to see to it.
      for (const step of worker.steps) step.aborted ||= this.enforce === 'commit' && this.dice(2) === 0
      this.#say(worker, id => this.#leases.seen(id, position))
    })
  }

  #ask(worker: Worker): void {
    if (!worker.connected) return
    const { known } = worker
    const asked_ms = this.now_ms
    this.#say(worker, id => {
      const count = this.#log.length
      const ttl_ms = this.#leases.confirm(id, `worker ${id}`, known, count, this.now_ms)
      worker.inbox.push(() => {
        if (ttl_ms > 0) worker.until_ms = Math.max(worker.until_ms, asked_ms + ttl_ms)
        else if (count > worker.known) worker.until_ms = 0
      })
    })
  }

  #say(worker: Worker, arrives: (id: number) => void): void {
    worker.outbox.push(() => arrives(this.#workers.indexOf(worker)))
  }

  #beginStep(worker: Worker): void {
    if (this.now_ms >= worker.until_ms) return
    worker.steps.push({ version: worker.known, aborted: false })
    if (worker.known < this.#barred)
      this.broken.push({ what: 'begun', version: worker.known, barrier: this.#barred })
  }

  #endStep(worker: Worker): void {
    const step = worker.steps.shift()
    if (step === undefined || step.aborted || !worker.connected) return
    worker.outbox.push(() => {
      try {
        this.#gate.check(committed(step.version))
        this.#unwritten.push({ version: step.version })
      } catch {
        this.refused++
      }
    })
  }

  /** What was admitted is on disk now. */
  #flush(): void {
    for (const { version } of this.#unwritten.splice(0)) {
      this.committed++
      const breaks = this.enforce === 'commit' && version < this.#barred
      if (breaks) this.broken.push({ what: 'committed', version, barrier: this.#barred })
    }
  }

  #elapse(ms: number): void {
    this.now_ms += ms
  }

  /** The worker does not know that the peer may think that it is there still. */
  #toggle(worker: Worker): void {
    if (worker.connected) {
      this.#disconnect(worker)
      return
    }
    worker.connected = true
    this.#tell(worker, this.#log.length)
  }

  #disconnect(worker: Worker): void {
    worker.connected = false
    worker.inbox.length = 0
    worker.outbox.length = 0
  }

  #lookAtBarriers(): void {
    if (this.#awaited.length === 0) return
    this.#awaited = this.#awaited.filter(position => {
      if (this.#leases.behind(position, this.now_ms).length > 0) return true
      // A barrier also waits until what was admitted is written.
      this.#flush()
      this.#barred = Math.max(this.#barred, position)
      this.barriers++
      return false
    })
  }
}
