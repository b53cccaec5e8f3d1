import type { WeftError } from '@weft/core'
import { type Paint, paintFor } from './colour.js'
import { EXIT, formatFailure, usage } from './failure.js'

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
  #progress = false

  constructor(
    private readonly stdout: Sink,
    private readonly stderr: Sink,
    env: NodeJS.ProcessEnv,
    readonly json: boolean,
  ) {
    this.paint = paintFor(stdout, env)
    stdout.on('error', error => {
      // Whoever reads us may stop early (`weft log … | head`); that is no error of anybody.
      if (error.code === 'EPIPE') process.exit(EXIT.ok)
      this.failure(usage(`stdout cannot be written: ${error.message}`, 'check the space where it goes'))
      process.exit(EXIT.usage)
    })
    // Nobody is left to be told.
    stderr.on('error', () => {})
  }

  /** Columns of the terminal; undefined when stdout is none, and lines may be as long as they are. */
  get columns(): number | undefined {
    return this.stdout.isTTY ? this.stdout.columns : undefined
  }

  line(text = ''): void {
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
    await Promise.all(
      [this.stdout, this.stderr].map(
        stream => new Promise<void>(resolve => stream.write('', () => resolve())),
      ),
    )
  }

  #clear(): void {
    if (!this.#progress) return
    this.stderr.write(CLEAR_LINE)
    this.#progress = false
  }
}
