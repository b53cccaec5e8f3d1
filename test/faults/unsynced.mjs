import { AbstractChainedBatch } from 'abstract-level'

// Loaded before `weft serve`: LevelDB is never told to sync what it writes. The peer is the same otherwise.
const { write } = AbstractChainedBatch.prototype
AbstractChainedBatch.prototype.write = function (options) {
  return write.call(this, { ...options, sync: false })
}
