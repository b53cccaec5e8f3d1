import type { WeftError } from '@weft/core'
import { type Paint, paintFor } from './colour.js'
import { EXIT, type ExitCode, formatFailure, usage } from './failure.js'

const CLEAR_LINE = '\r\x1b[K'

/** As much of a stream as is written to here. */
export interface Sink {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string, done?: () => void): boolean
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
}

/** The two streams: stdout carries data and nothing else, stderr what is said about it. */
export class Output {
  /** Colours for stdout. */
  readonly paint: Paint
  readonly #closed = new AbortController()
  #isBroken = false
  #progress = false

  constructor(
    private readonly stdout: Sink,
    private readonly stderr: Sink,
    env: NodeJS.ProcessEnv,
    readonly json: boolean,
  ) {
    this.paint = paintFor(stdout, env)
    stdout.on('error', error => {
      if (this.#closed.signal.aborted) return
      this.#closed.abort()
      // Whoever reads us may stop early (`weft log … | head`); that is no error of anybody.
      if (error.code === 'EPIPE') return
      this.#isBroken = true
      this.failure(usage(`stdout cannot be written: ${error.message}`, 'check the space where it goes'))
    })
    // Nobody is left to be told.
    stderr.on('error', () => {})
  }

  /**
   * Aborts when nobody reads stdout any more. What is under way is done all the same, and checks have their exit code: only
   * what would go on without end has to end.
   */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** What a command that ended with `code` is to exit with: what was to be told may have got lost. */
  exitCode(code: ExitCode): ExitCode {
    return this.#isBroken && code === EXIT.ok ? EXIT.usage : code
  }

  /** Columns of the terminal; undefined when stdout is none, and lines may be as long as they are. */
  get columns(): number | undefined {
    return this.stdout.isTTY ? this.stdout.columns : undefined
  }

  line(text = ''): void {
    if (this.closed.aborted) return
    this.#clear()
    this.stdout.write(`${text}\n`)
  }

  /** What commander writes: help, which was asked for, and help, which was not. */
  get help(): { writeOut(text: string): void; writeErr(text: string): void } {
    const { stdout, stderr } = this
    return { writeOut: text => void stdout.write(text), writeErr: text => void stderr.write(text) }
  }

  /** One JSON value on one line. */
  data(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  /** A value as JSON under `--json`, and else as the lines that `lines` makes of it. */
  result<T>(value: T, lines: (value: T) => readonly string[]): void {
    if (this.json) this.data(value)
    else for (const text of lines(value)) this.line(text)
  }

  /** Said to a person, so not under `--json`. */
  note(text: string): void {
    if (this.json) return
    this.#clear()
    this.stderr.write(`${text}\n`)
  }

  /** Where the work is; shown on a terminal alone, in one line that the next one replaces. */
  progress(text: string): void {
    if (!this.stderr.isTTY || this.json) return
    this.stderr.write(`${CLEAR_LINE}${text.slice(0, (this.stderr.columns ?? 80) - 1)}`)
    this.#progress = true
  }

  failure(error: WeftError): void {
    this.#clear()
    this.stderr.write(`${formatFailure(error, this.json)}\n`)
  }

  /** Resolves when both streams have handed everything on. */
  async flushed(): Promise<void> {
    this.#clear()
    const open = this.closed.aborted ? [this.stderr] : [this.stdout, this.stderr]
    await Promise.all(open.map(stream => new Promise<void>(resolve => stream.write('', () => resolve()))))
  }

  #clear(): void {
    if (!this.#progress) return
    this.stderr.write(CLEAR_LINE)
    this.#progress = false
  }
}
