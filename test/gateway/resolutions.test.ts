import type { Conflict } from '@weft/core'
import { expect, test } from 'vitest'
import { branchScene, W } from '../support/branch-verbs.ts'

test('[MRG-2] a conflict is settled for what its author had read, and what came since stays open', async () => {
  const { api, context, fork, merge, put, resolve } = await branchScene()
  const names = ['left', 'right', 'late', 'later']
  await fork(names)
  for (const name of names) await put(name, name)
  const { heads } = (await merge(['left', 'right'])).body
  await merge(['late'])
  const settled = await resolve('/constraints/by', 'left', { seen: heads, reason: 'a vote' })
  expect(settled).toMatchObject({ status: 201, body: { pointer: '/constraints/by' } })
  expect(settled.body.conflicts).toMatchObject([
    { values: [{ value: 'left', branch: 'main' }, { value: 'late' }] },
  ])
  // Asked again it has not seen its own first answer.
  const again = await resolve('/constraints/by', 'left', { seen: heads, reason: 'a vote' })
  expect([again.status, again.body.change]).toEqual([200, settled.body.change])
  // Of one that has seen its own answer it is another question; and so it is while something is open, of one that does not say.
  const second = await resolve('/constraints/by', 'left', { seen: again.body.heads })
  expect(second).toMatchObject({ status: 201, body: { conflicts: [] } })
  await merge(['later'])
  const third = await resolve('/constraints/by', 'left')
  expect(third).toMatchObject({ status: 201, body: { conflicts: [] } })
  await context.reach(third.session!)
  expect(context.state.constraints).toEqual({ by: 'left' })
  expect(context.resolutions().map(({ change, reason }) => [change, reason])).toEqual([
    [settled.body.change, 'a vote'],
    [second.body.change, undefined],
    [third.body.change, undefined],
  ])
  expect((await api.get(`${W}/state`)).body.conflicts).toEqual([])
})

test('[MRG-2] a resolution that is sent again writes over nothing that came since', async () => {
  const { api, fork, merge, put, resolve } = await branchScene()
  await fork(['left', 'right'])
  for (const name of ['left', 'right']) await put(name, name)
  await merge(['left', 'right'])
  const settled = await resolve('/constraints/by', undefined, { reason: 'none of them' })
  expect(settled.status).toBe(201)
  await put('main', 'new')
  const before = await api.peer.ids()
  const again = await resolve('/constraints/by', undefined, { reason: 'none of them' })
  expect([again.status, again.body.change]).toEqual([200, settled.body.change])
  for (const more of [{ agent: 'b' }, { value: 'other' }]) {
    expect(await resolve('/constraints/by', undefined, more)).toMatchObject({
      status: 404,
      body: { code: 'WEFT_CONFLICT_UNKNOWN', details: { resolved: { change: settled.body.change } } },
    })
  }
  expect(await api.peer.ids()).toEqual(before)
  expect((await api.get(`${W}/state?pointer=/constraints/by`)).body).toMatchObject({ state: 'new' })
})

test('[MRG-2] a conflict in an item of a list is at where it stands now, and one that is gone is settled by its mark', async () => {
  const { api, context, fork, merge, resolve } = await branchScene()
  const write = (branch: string, patch: readonly object[]) => api.write({ branch, patch })
  await write('main', [{ op: 'add', path: '/constraints/list', value: [{ n: 1 }, { n: 2 }] }])
  const names = ['left', 'right', 'mover', 'taker']
  await fork(names)
  await write('left', [{ op: 'replace', path: '/constraints/list/0/n', value: 'left' }])
  await write('right', [{ op: 'replace', path: '/constraints/list/0/n', value: 'right' }])
  await write('right', [{ op: 'replace', path: '/constraints/list/1/n', value: 'kept' }])
  await write('mover', [{ op: 'add', path: '/constraints/list/0', value: { n: 0 } }])
  await write('taker', [{ op: 'remove', path: '/constraints/list/1' }])
  await merge(names)
  const told = (await api.get(`${W}/state`)).body.conflicts as Conflict[]
  const [there, gone] = told as [Conflict, Conflict]
  expect(told.map(({ pointer, values }) => [pointer, new Set(values.map(({ value }) => value))])).toEqual([
    ['/constraints/list/1/n', new Set(['left', 'right'])],
    [expect.stringMatching(/^\/constraints\/list\/~@\d+@[0-9a-f]{32}$/), new Set(['kept', undefined])],
  ])
  expect(await resolve('/constraints/list/0', { n: 'else' })).toMatchObject({
    status: 404,
    body: { code: 'WEFT_CONFLICT_UNKNOWN' },
  })
  expect(await resolve(gone.pointer, { n: 'back' })).toMatchObject({
    status: 400,
    body: { code: 'WEFT_POINTER_INVALID' },
  })
  expect(await resolve(gone.pointer, undefined)).toMatchObject({
    status: 201,
    body: { conflicts: [] },
  })
  const settled = await resolve(there.pointer, 'right')
  expect(settled).toMatchObject({ status: 201, body: { conflicts: [] } })
  await context.reach(settled.session!)
  expect(context.state.constraints).toEqual({ list: [{ n: 0 }, { n: 'right' }] })
  expect(context.conflicts()).toEqual([])
})
