import { EXIT, exitCodeOf, nearest, parseDuration, resolveSettings, type SettingSources } from '@weft/cli'
import { WeftError } from '@weft/core'
import { describe, expect, test } from 'vitest'

const ALL: Required<SettingSources> = {
  flags: { port: '1' },
  env: { WEFT_PORT: '2' },
  file: { name: 'weft.config.json', values: { port: 3 } },
}

describe('settings', () => {
  test.each<[string, SettingSources, number, string]>([
    ['a flag is the strongest', ALL, 1, '--port'],
    ['then the environment', { ...ALL, flags: {} }, 2, 'WEFT_PORT'],
    ['then the config file', { ...ALL, flags: {}, env: {} }, 3, 'port in weft.config.json'],
    ['then the default', { flags: {}, env: {} }, 7600, 'default'],
    [
      'an empty variable is not set',
      { ...ALL, flags: {}, env: { WEFT_PORT: '' } },
      3,
      'port in weft.config.json',
    ],
  ])('%s', (_, sources, value, from) => {
    expect(resolveSettings(sources).port).toMatchObject({ value, from })
  })

  test('what nobody says and has no default is undefined', () => {
    expect(resolveSettings({ flags: {}, env: {} }).token).toBeUndefined()
  })

  test('a bad value is refused with the place where it stands', () => {
    expect(() => resolveSettings({ ...ALL, flags: {}, env: { WEFT_PORT: '99999' } })).toThrow(
      /^WEFT_PORT: "99999"/,
    )
    const file = { name: 'weft.config.json', values: { port: 'http' } }
    expect(() => resolveSettings({ flags: {}, env: {}, file })).toThrow(/^port in weft.config.json: "http"/)
  })

  test.each<[string, unknown, string]>([
    ['an unknown key', { prot: 1 }, 'did you mean "port"?'],
    ['an unknown key like none', { colour: 1 }, 'known are url'],
    ['a value of another type', { port: true }, 'correct port'],
    ['no object', [1], 'write {'],
  ])('a config file with %s is refused', (_, values, cure) => {
    const refused = thrown(() => resolveSettings({ flags: {}, env: {}, file: { name: 'c.json', values } }))
    expect(refused).toMatchObject({ code: 'WEFT_USAGE', cure: expect.stringContaining(cure) })
  })
})

describe('small words', () => {
  test('durations', () => {
    expect(['90s', '30m', '1h', '1h30m', '7d'].map(parseDuration)).toEqual([90, 1_800, 3_600, 5_400, 604_800])
    for (const bad of ['', '5', 'h', '1 h', '-1h', '0s', '1h x', '1y']) {
      expect(
        thrown(() => parseDuration(bad)),
        bad,
      ).toMatchObject({ code: 'WEFT_USAGE' })
    }
  })

  test('the nearest of some words, or none', () => {
    const words = ['serve', 'show', 'verify']
    expect(['sevre', 'Show', 'verfiy', 'graph', 'x'].map(word => nearest(word, words))).toEqual([
      'serve',
      'show',
      'verify',
      undefined,
      undefined,
    ])
  })

  test('exit codes follow from error codes', () => {
    expect(exitCodeOf('WEFT_USAGE')).toBe(EXIT.usage)
    expect(exitCodeOf('WEFT_CHANGE_UNKNOWN')).toBe(EXIT.usage)
    expect(exitCodeOf('WEFT_CHANGE_HASH')).toBe(EXIT.failed)
    expect(exitCodeOf('WEFT_TOKEN_EXPIRED')).toBe(EXIT.connection)
    expect(exitCodeOf('WEFT_PORT_IN_USE')).toBe(EXIT.connection)
    expect(exitCodeOf('WEFT_STORE_LOCKED')).toBe(EXIT.storage)
    expect(exitCodeOf('WEFT_INTERNAL')).toBe(EXIT.unexpected)
  })
})

function thrown(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(WeftError)
    return error
  }
  return undefined
}
