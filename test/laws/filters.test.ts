import { BranchWriter, ChangeSet, checkFilter, matchesFilter, parseRef, touches } from '@weft/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { forged } from '../support/core-forge.ts'
import { holds, seededHost, sha256 } from '../support/core-property.ts'

const pointers = fc.constantFrom('', '/a', '/a/b', '/a/b/c', '/b', '/a~1b', '/a~0', '/ab')
const others = fc.constantFrom('ext:doc', 'ext:doc@v1', 'ext:doc@v2', 'ext:a@b/c', 'overlay:x@1', 'overlay:x')
const refs = fc.array(
  fc.oneof(
    pointers.map(pointer => `state:${pointer}`),
    others,
  ),
  {
    minLength: 1,
    maxLength: 5,
  },
)

test('[WAK-1] [STL-2] a filter of refs lets through what writes one that touches one of them, whatever else both name', () => {
  const plain = new BranchWriter(new ChangeSet(sha256), seededHost(7), 'main', 'agent').write({
    entries: [{ kind: 'note', value: 1 }],
  })!
  holds(fc.tuple(refs, refs), ([read, writes]) => {
    const due = writes.some(wrote => read.some(ref => touches(parseRef(wrote), parseRef(ref))))
    expect(matchesFilter(checkFilter({ refs: read }), forged(plain, { writes }).header)).toBe(due)
  })
})
