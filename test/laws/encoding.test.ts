import { BranchWriter, CborWriter, ChangeSet, StateDoc, validateState } from '@weft/core'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support/core-forge.ts'
import { holds, seededHost, sha256 } from '../support/core-property.ts'
import '../support/equal-bytes.ts'

/** Texts with all that JSON escapes, halves of surrogate pairs, and lengths on both sides of every shortcut. */
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('a', '"', '\\', '\n', '\u0000', '\ud800', '\udc00', 'é', '😀', '\ufffd'),
  }),
  fc.string({ unit: 'grapheme', minLength: 20, maxLength: 400 }),
  fc
    .tuple(fc.constantFrom('"', 'é', '\n', '\ud800'), fc.constantFrom(24, 25, 8_192, 8_193))
    .map(([first, length]) => first.padEnd(length, 'a\\')),
)
const values = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    texts,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      texts.filter(key => key !== '__proto__'),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
})).value as fc.Arbitrary<never>

function writer(): BranchWriter {
  return new BranchWriter(new ChangeSet(sha256), seededHost(1), 'main', 'agent')
}

/** What `CborWriter` has a method for, each with the value that a decoder makes of it. */
const cborItems = fc.oneof(
  texts.map(text => ({ value: Buffer.from(text).toString(), write: (to: CborWriter) => to.text(text) })),
  fc.maxSafeNat().map(value => ({ value, write: (to: CborWriter) => to.uint(value) })),
  fc
    .uint8Array({ maxLength: 300 })
    .map(value => ({ value, write: (to: CborWriter) => to.byteString(value) })),
  fc.constant({ value: null, write: (to: CborWriter) => to.null() }),
)

describe('encoding', () => {
  it('[CHG-1] headers are CBOR as it is written anywhere, wherever in its buffer a writer is', () => {
    const runs = fc.tuple(fc.array(cborItems, { maxLength: 8 }), fc.boolean())
    holds(
      fc.array(runs, { minLength: 1, maxLength: 20 }),
      written => {
        const shared = new CborWriter()
        for (const [items, isWrapped] of written) {
          const opened = isWrapped ? shared.reset().open() : shared.reset().length
          shared.array(items.length)
          for (const { write } of items) write(shared)
          if (isWrapped) shared.close(opened)
          const plain = encode(items.map(({ value }) => value))
          expect(Buffer.from(shared.take())).toEqual(Buffer.from(isWrapped ? encode(plain) : plain))
        }
      },
      100,
    )
  })

  it('[CHG-1] and wherever that buffer ends', () => {
    const text = 'state:/é'
    const expected = Buffer.from(encode([text, text, 7]))
    for (let before = 0; before < 3_000; before++) {
      const writer = new CborWriter()
      writer.raw(new Uint8Array(before)).take()
      writer.reset().array(3).text(text).text(text).uint(7)
      expect(Buffer.from(writer.take()).equals(expected), `after ${before} bytes`).toBe(true)
    }
  })

  it('[CHG-1] entries stand in a change as JSON.stringify writes them, byte for byte', () => {
    holds(
      fc.array(values, { minLength: 1, maxLength: 3 }),
      entries => {
        const change = writer().write({ entries: entries.map(value => ({ kind: 'note', value })) })!
        const expected = Buffer.from(JSON.stringify(entries))
        expect(Buffer.from(change.bytes).includes(expected)).toBe(true)
        expect(JSON.stringify(change.values())).toBe(JSON.stringify(JSON.parse(JSON.stringify(entries))))
      },
      3_000,
    )
  })

  it('[CHG-4] an author sees at once the very state that a replica reads, in one order of keys', () => {
    const states = fc.dictionary(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
      fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<never>,
      { maxKeys: 4 },
    )
    holds(
      fc.array(states, { minLength: 1, maxLength: 3 }),
      versions => {
        fc.pre(!JSON.stringify(versions).includes('"__proto__"'))
        const author = writer()
        for (const state of versions) {
          author.write({ state: validateState(undefined, state) })
          const reader = new StateDoc(author.set, author.set.view('main'))
          expect(author.state.read()).toEqual(reader.read())
          expect(JSON.stringify(author.state.read())).toBe(JSON.stringify(reader.read()))
          reader.free()
        }
        author.state.free()
      },
      150,
    )
  })

  it('a state with half a surrogate pair is refused: it could not come back as it was', () => {
    for (const state of [{ a: '\ud800' }, { a: { '\udc00': 1 } }, { a: ['ok', 'x\udc00y'] }]) {
      expect(codeOf(() => validateState(undefined, state))).toBe('WEFT_VALUE_NOT_JSON')
    }
    expect(validateState(undefined, { a: '😀' })).toEqual({ a: '😀' })
  })
})
