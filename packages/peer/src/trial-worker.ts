import { hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { hashFromLatin1 } from '@weft/core'
import type { TrialQuestion } from './trials/state-trial.js'
import { TrialDocs } from './trials/trial-docs.js'
import type { FromTrial, TrialBounds } from './trials/trial-thread.js'

/* Where state changes are tried: a thread of its own, which may die of them. */

const { documents_bytes_max, memory_bytes_max } = workerData as TrialBounds
const docs = new TrialDocs(
  hashFromLatin1(bytes => hash('sha256', bytes, 'binary')),
  documents_bytes_max,
)

parentPort!.on('message', (question: TrialQuestion) => {
  const answer = docs.answer(question)
  // What Automerge has once asked of the system it never gives back. What is being built is to be asked first.
  const isLast = answer.is === 'tried' && process.memoryUsage().external > memory_bytes_max
  parentPort!.postMessage({ answer, isLast } satisfies FromTrial)
})
