import { hash as digest } from 'node:crypto'
import { hashFromLatin1 } from '@weft/core'

export const SHA256_BYTES = 32

export const sha256 = hashFromLatin1(bytes => digest('sha256', bytes, 'binary'))
