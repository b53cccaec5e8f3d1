import { usage } from './failure.js'

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** A hundred years: beyond them dates end, too. */
const SECONDS_MAX = 36_500 * 86_400
/** Timers of Node that are longer are over at once. */
const TIMER_DAYS_MAX = 24

/** As `parseDuration`, of a time that is waited for. @throws WEFT_USAGE */
export function parseWait(text: string): number {
  const seconds = parseDuration(text)
  if (seconds <= TIMER_DAYS_MAX * 86_400) return seconds
  throw usage(`${text} is too long to wait for`, `write at most ${TIMER_DAYS_MAX}d`)
}

/** `90s`, `30m`, `1h`, `1h30m`, `7d`, as seconds. @throws WEFT_USAGE */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9})([smhd])/g)]
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0)
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text && seconds > 0) {
    if (seconds <= SECONDS_MAX) return seconds
    throw usage(`${text} is longer than anything lasts here`, 'write at most 36500d')
  }
  throw usage(
    `${JSON.stringify(text)} is not a duration`,
    'write a count and a unit (s, m, h or d), for example 90s, 1h or 1h30m',
  )
}

/** Seconds as the largest unit that says something: `45 s`, `12 min`, `3 h`, `6 days`. */
export function formatSeconds(seconds: number): string {
  const value = Math.abs(seconds)
  if (value < 90) return `${Math.round(value)} s`
  if (value < 5_400) return `${Math.round(value / 60)} min`
  if (value < 172_800) return `${Math.round(value / 3_600)} h`
  return `${Math.round(value / 86_400)} days`
}
