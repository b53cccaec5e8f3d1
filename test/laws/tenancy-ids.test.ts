import {
  type Address,
  checkId,
  checkWorkflow,
  entryId,
  formatAddress,
  isChangeId,
  parseAddress,
} from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { holds } from '../support/core-property.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-'
const ids = fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 1, maxLength: 128, size: 'max' })
const addresses: fc.Arbitrary<Address> = fc.record({
  tenant: ids,
  workflow: ids,
  agent: ids,
  position: fc.maxSafeNat(),
})
/** Text that is near to an id or an address: separators, spaces, control and foreign characters. */
const nearby = fc.string({
  unit: fc.oneof(fc.constantFrom(...'ab:/@%\\ \n\0*?#&+,;='), fc.constantFrom('é', '🙂', '\u202e', '\uff21')),
  maxLength: 12,
})

test('[TEN-3] every id of the allowed characters passes unaltered', () => {
  holds(ids, id => expect(checkId('tenant', id)).toBe(id))
})

test('[TEN-3] a single other character, anywhere, is refused', () => {
  const spoiled = fc.tuple(ids, fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }), fc.nat())
  holds(
    spoiled,
    ([id, character, place]) => {
      fc.pre(!ALPHABET.includes(character))
      const at = place % (id.length + 1)
      const text = (id.slice(0, at) + character + id.slice(at)).slice(0, 128)
      fc.pre(text.includes(character))
      expect(codeOf(() => checkId('agent', text))).toBe('WEFT_ID_INVALID')
    },
    1_000,
  )
})

test.each([
  ['', 'empty'],
  ['a'.repeat(129), 'too long'],
  ['a\n', 'a line end behind it'],
  ['a:b', 'the separator of addresses'],
  ['../a', 'a path'],
  ['a%3Ab', 'an escape'],
  [undefined, 'nothing'],
  [7, 'a number'],
  [['a'], 'a list that prints as an id'],
])('[TEN-3] %j is refused: %s', (id, _) => {
  expect(codeOf(() => checkId('tenant', id))).toBe('WEFT_ID_INVALID')
})

test('[TEN-3] a workflow of the engine cannot be named from outside', () => {
  holds(ids, id => expect(codeOf(() => checkWorkflow(`@${id}`.slice(0, 128)))).toBe('WEFT_ID_INVALID'))
})

test('[TEN-3] an address reads back as it was written', () => {
  holds(addresses, address => expect(parseAddress(formatAddress(address))).toEqual(address))
})

test('[TEN-3] what reads as an address is written exactly so: no two texts share an address', () => {
  const texts = fc.oneof(
    addresses.map(({ tenant, workflow, agent }) => [tenant, workflow, agent].join(':')),
    nearby,
  )
  const numbers = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 70n }),
    fc.bigInt({ min: 2n ** 53n - 9n, max: 2n ** 53n + 9n }),
  )
  const positions = fc.oneof(
    numbers.map(String),
    nearby,
    fc.constantFrom('00', '-1', '-0', '1e3', '0x1', ' 1', '1.0', ''),
  )
  holds(
    fc.tuple(texts, positions),
    ([text, position]) => {
      const whole = `${text}:${position}`
      let address: Address
      try {
        address = parseAddress(whole)
      } catch {
        expect(codeOf(() => parseAddress(whole))).toBe('WEFT_ID_INVALID')
        return
      }
      expect(formatAddress(address)).toBe(whole)
    },
    2_000,
  )
})

test('[TEN-3] no two addresses share a text', () => {
  holds(fc.tuple(addresses, addresses), ([a, b]) => {
    fc.pre(JSON.stringify(a) !== JSON.stringify(b))
    expect(formatAddress(a)).not.toBe(formatAddress(b))
  })
})

test('[TEN-3] a part that holds a separator cannot move into its neighbour', () => {
  const rest = { agent: 'c', position: 0 }
  expect(codeOf(() => formatAddress({ tenant: 'a:b', workflow: 'w', ...rest }))).toBe('WEFT_ID_INVALID')
  expect(codeOf(() => formatAddress({ tenant: 'a', workflow: 'b:w', ...rest }))).toBe('WEFT_ID_INVALID')
  expect(codeOf(() => parseAddress('a:b:w:c:0'))).toBe('WEFT_ID_INVALID')
})

test.each([-1, 0.5, Number.NaN, 2 ** 53, '7'])('[TEN-3] %j is no position of an address', position => {
  const address = { tenant: 'a', workflow: 'w', agent: 'c', position } as Address
  expect(codeOf(() => formatAddress(address))).toBe('WEFT_ID_INVALID')
})

test('[TEN-3] the id of an entry contains the id of its change', () => {
  const change = '0123456789abcdef'.repeat(4)
  expect(entryId(change, 12)).toBe(`${change}.12`)
  expect(isChangeId(change)).toBe(true)
  expect([change.toUpperCase(), change.slice(1), `${change}\n`, null].some(isChangeId)).toBe(false)
})
