import { expect, test } from 'vitest'
import { planOn, replicas } from '../support/steps-peer.ts'

test.each([
  '',
  '00',
  '+0',
  '0x0',
  '0e0',
  ' 0',
  '-1',
  '0.0',
  '2',
])('a list has no item %j: neither resolve nor decide writes there', async index => {
  const [replica] = await replicas(1)
  const context = await planOn(replica!, 'planner')
  context.change(state => {
    state.plan = ['first']
  })
  const refused = { code: 'WEFT_POINTER_INVALID' }
  expect(() => context.resolve(`/plan/${index}`, 'other')).toThrow(expect.objectContaining(refused))
  await expect(context.decide(`/plan/${index}`, () => 'other')).rejects.toMatchObject(refused)
  expect(context.state.plan).toEqual(['first'])
})
