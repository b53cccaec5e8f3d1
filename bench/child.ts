import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What a child says next. @throws Error when it ends before it has said anything; `who` is what the error calls it */
export async function nextOf<T>(child: ChildProcess, who: string): Promise<T> {
  const answered = new AbortController()
  const { signal } = answered
  const died = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${who} ended with ${String(code)}`)
  })
  died.catch(() => {})
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), died])) as [T]
    return message
  } finally {
    answered.abort()
  }
}
