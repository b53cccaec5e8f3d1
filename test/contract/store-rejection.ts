import { type ErrorCode, isWeftError } from '@weft/core'
import { expect } from 'vitest'

export async function rejection(promise: Promise<unknown>): Promise<{ code: ErrorCode; details: object }> {
  const thrown = await promise.then(
    () => 'nothing',
    (reason: unknown) => reason,
  )
  if (!isWeftError(thrown)) throw new Error(`expected a WeftError, but ${String(thrown)} was thrown`)
  expect(thrown.cure).not.toBe('')
  return { code: thrown.code, details: thrown.details }
}

/** Of several, heard at once: one that is refused while another is waited for would fail the whole run. */
export function rejections(
  promises: readonly Promise<unknown>[],
): Promise<Awaited<ReturnType<typeof rejection>>[]> {
  return Promise.all(promises.map(rejection))
}
