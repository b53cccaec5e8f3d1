import type { Context } from '@weft/replica'
import { expectTypeOf, test } from 'vitest'
import type { Opened, Research } from '../support/replica-contexts.ts'

test('what a handle takes and gives is typed by the definition', () => {
  type State = { plan: string[]; constraints: Record<string, string | number> }
  expectTypeOf<Opened['state']>().toEqualTypeOf<Readonly<State>>()
  expectTypeOf<Opened>().toExtend<Context<State, (typeof Research)['entries']>>()
  type Entry = ReturnType<Opened['entries']>[number]
  expectTypeOf<Entry['kind']>().toEqualTypeOf<'message' | 'decision'>()
  expectTypeOf<Extract<Entry, { kind: 'decision' }>['value']>().toEqualTypeOf<{
    choice: string
    weight: number
  }>()
  expectTypeOf<Parameters<Opened['append']>[0]>().toEqualTypeOf<'message' | 'decision'>()
  const typed = (context: Opened): void => {
    context.append('decision', { choice: 'x' })
    // @ts-expect-error there is no such kind
    context.append('thought', { text: 'x' })
    // @ts-expect-error it needs a choice
    context.append('decision', { weight: 1 })
    // @ts-expect-error a plan is a list of texts
    context.change(state => void state.plan.push(1))
    // @ts-expect-error the state is read-only
    context.state.plan = []
    for (const entry of context.entries()) {
      if (entry.kind === 'message') expectTypeOf(entry.value).toEqualTypeOf<{ text: string }>()
    }
  }
  expectTypeOf(typed).toBeFunction()
})
