import { hash as digest } from 'node:crypto'
import type { Hash } from '@weft/core'

export const SHA256_BYTES = 32

export const sha256: Hash = bytes => digest('sha256', bytes, 'hex')
