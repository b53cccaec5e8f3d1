import { isWeftError, type WeftError } from '@weft/core'

/** The key of a tenant cannot be had: nothing was written, and nobody else needs to know. */
export function isKeyless(error: unknown): error is WeftError {
  return isWeftError(error) && error.code === 'WEFT_STORE_KEY'
}

export function isDamage(error: unknown): error is WeftError {
  return isWeftError(error) && error.code === 'WEFT_STORE_CORRUPT'
}
