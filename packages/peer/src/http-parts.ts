/** What another server over HTTP shares with a peer, without one: how it says what is wrong, and how it closes. */
export { type Closer, closerOf } from './close-server.js'
export { answerProblem } from './early-answer.js'
export { listenError } from './listen-error.js'
export { type Problem, problemOf, problemResponse } from './problem.js'
export { STATUS_OF } from './problem-status.js'
export { closeQueued } from './queued-responses.js'
