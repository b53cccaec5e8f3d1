import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 5

/** Resolves when `holds` does. For what no event tells of; the deadline only ends a test that has failed. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  deadline_ms = 20_000,
): Promise<void> {
  const end = performance.now() + deadline_ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await sleep(POLL_MS)
  }
}

/** The code with which a promise is rejected. */
export async function rejectionOf(promise: Promise<unknown>): Promise<{ code: string; details: object }> {
  const thrown: unknown = await promise.then(
    value => new Error(`it was not refused: ${String(value)}`),
    (error: unknown) => error,
  )
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'details' in thrown) {
    return thrown as { code: string; details: object }
  }
  throw thrown
}

/** Of several, heard at once: one that is refused while another is waited for would fail the whole run. */
export function rejectionsOf(
  promises: readonly Promise<unknown>[],
): Promise<Awaited<ReturnType<typeof rejectionOf>>[]> {
  return Promise.all(promises.map(rejectionOf))
}

/** A promise that somebody else resolves. */
export function gateOf(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
