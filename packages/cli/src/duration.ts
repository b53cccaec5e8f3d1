import { usage } from './failure.js'

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** `90s`, `30m`, `1h`, `1h30m`, `7d`, as seconds. @throws WEFT_USAGE */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9})([smhd])/g)]
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0)
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text && seconds > 0) return seconds
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
