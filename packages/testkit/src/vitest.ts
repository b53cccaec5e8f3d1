import { expect } from 'vitest'
import { matchers } from './matchers.js'

interface WeftMatchers<R> {
  /** In the end all replicas hold one set, and equal sets look alike (CHG-4, MRG-1). */
  toConverge(): R
  /** What was acknowledged is never lost (DUR-1, DUR-2). */
  toKeepEveryAck(): R
  /** A session is shown what it wrote and saw, wherever its token is taken (SES-1, SES-2). */
  toSeeOwnWrites(): R
  /** Nothing comes before what it depends on (CHG-2, CHG-3, ORD-1). */
  toBeCausal(): R
}

declare module 'vitest' {
  interface Matchers<T> extends WeftMatchers<T> {}
}

expect.extend(matchers)
