import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Inputs that did harm to some state of the code, or to a library below it; or a run's that just did. All bytes are hex. */
export interface Sample {
  readonly kind: 'frames' | 'changes' | 'updates' | 'replica-frames'
  /** What they did, or do to what lets them in. */
  readonly what: string
  /** What the log held before, of changes. */
  readonly log: readonly string[]
  /** In the order in which they came, on one connection. */
  readonly inputs: readonly string[]
}

export const CORPUS = join(import.meta.dirname, import.meta.dirname.endsWith('dist') ? '..' : '.', 'corpus')

export function readCorpus(): { readonly name: string; readonly sample: Sample }[] {
  return readdirSync(CORPUS)
    .filter(name => name.endsWith('.json'))
    .map(name => ({ name, sample: JSON.parse(readFileSync(join(CORPUS, name), 'utf8')) as Sample }))
}

/** Saves what a run failed at, beside the corpus; returns where. */
export function saveFailure(name: string, sample: Sample): string {
  const folder = join(CORPUS, '..', 'failures')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${name}.json`)
  writeFileSync(path, `${JSON.stringify(sample, null, 1)}\n`)
  return path
}

/** A run has failed; `sample` makes it fail again. */
export class Harm extends Error {
  constructor(
    message: string,
    readonly sample: Omit<Sample, 'what'>,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}
