/** What another server over HTTP shares with a peer, without one: how it says what is wrong, and how it closes. */
export { type Closer, closerOf } from './http/close-server.js'
export { answerProblem } from './http/early-answer.js'
export { listenError } from './http/listen-error.js'
export { type Problem, problemOf, problemResponse } from './http/problem.js'
export { STATUS_OF } from './http/problem-status.js'
export { closeQueued } from './http/queued-responses.js'
