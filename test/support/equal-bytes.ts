import { expect } from 'vitest'

/**
 * Has `expect` compare bytes as bytes. By itself it goes through them as through the keys of an object, and takes longer
 * for that than a store takes to write and read them. To be imported for that alone.
 */
expect.addEqualityTesters([
  (a, b) =>
    a instanceof Uint8Array && b instanceof Uint8Array && a.constructor === b.constructor
      ? Buffer.compare(a, b) === 0
      : undefined,
])
