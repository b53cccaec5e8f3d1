import { type Logger, pino } from 'pino'

export function stderrLogger(level: string): Logger {
  return pino({ level, name: 'weft' }, pino.destination({ fd: 2, sync: true }))
}
