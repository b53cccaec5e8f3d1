import { join } from 'node:path'
import { type OnLoss, openLevelStore } from '@weft/store-level'
import { expect, test } from 'vitest'
import type { PowerCut } from './disk.ts'
import { FILE_SYSTEMS } from './fault-folder.ts'
import { type Bound, lostOf, readStore } from './judge.ts'
import { obstacleTo } from './machine.ts'
import { type Cut, cutNow, judge, judgeEnd, type Rig, SHOWN_MAX, told, withRig } from './rig.ts'

/** `npm run powercut` makes 100 of each. */
const CUTS = Number(process.env.WEFT_CUTS ?? 2)
const CONTROL_CUTS = Number(process.env.WEFT_CONTROL_CUTS ?? 2)
/** What the disks are formatted with, by commas. */
const FORMATS = (process.env.WEFT_FILE_SYSTEMS ?? 'ext4').split(',')
const TRIED = FILE_SYSTEMS.filter(name => FORMATS.includes(name))
if (TRIED.length !== FORMATS.length)
  throw new Error(`WEFT_FILE_SYSTEMS: there are ${FILE_SYSTEMS.join(', ')}`)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_126)
/** So many of one disk under one load; then there is a new one. */
const CUTS_PER_DISK = 10
const ACKED_BETWEEN_MAX = 400
const CONTROL_LOSES = 0.95
const UNSYNCED = ['--import', new URL('unsynced.mjs', import.meta.url).href]

const makers = [...TRIED, 'ext4' as const].map(name => `mkfs.${name}` as const)
const obstacle = await obstacleTo(
  'power cuts',
  ['mount', 'fsfreeze', 'cp', ...makers],
  ['WEFT_CUTS', 'WEFT_CONTROL_CUTS'],
)

/** Disk after disk, until there have been so many cuts. */
async function onDisks(count: number, play: (seed: number, count: number) => Promise<void>): Promise<void> {
  for (let done = 0; done < count; done += CUTS_PER_DISK) {
    await play(SEED + done, Math.min(CUTS_PER_DISK, count - done))
  }
}

async function cutUnderLoad(rig: Rig, count: number): Promise<Cut[]> {
  const cuts: Cut[] = []
  while (cuts.length < count) {
    await rig.load.grows(1 + rig.dice(ACKED_BETWEEN_MAX))
    cuts.push(await cutNow(rig))
  }
  return cuts
}

/**
 * The machine comes back with what a cut left, while replicas know more, as if its disk had gone back: they are told so,
 * and bring the rest. @returns what is wrong
 */
async function goOnFrom({ mark, power }: Cut, rig: Rig): Promise<string[]> {
  const { serve, load } = rig
  await load.goesOn()
  await serve.end('SIGKILL')
  await serve.start(await power.mount())
  await load.goesOn()
  const { untold } = load
  const faults = await judgeEnd(rig, () => load.bound(mark))
  if (untold.length > 0) faults.push(`no replica of ${untold.join(', ')} was told of a rollback`)
  return faults
}

const title =
  '[DUR-1] [DUR-5] power cuts under load on %s: nothing acknowledged is lost, and what replicas know beyond it comes back'

test.for(TRIED)(title, async (fileSystem, { skip }) => {
  skip(obstacle !== undefined, obstacle)
  const faults: string[] = []
  const total = { cuts: 0, looked_for: 0 }
  await onDisks(CUTS, async (seed, count) =>
    withRig({ fileSystem, seed }, async rig => {
      const cuts = await cutUnderLoad(rig, count)
      const last = cuts.at(-1)!
      faults.push(...told(`living through cut ${total.cuts + count}`, await goOnFrom(last, rig)))
      for (const { mark, power } of cuts) {
        const bound = rig.load.bound(mark)
        if (power !== last.power)
          faults.push(...told(`after cut ${total.cuts + 1}`, await judge(power, bound)))
        await power.discard()
        total.cuts++
        total.looked_for += bound.length
      }
      console.log(
        `${total.cuts} of ${CUTS} power cuts on ${fileSystem} (seed ${SEED}): ${total.looked_for} acknowledged changes ` +
          `looked for, ${faults.length} not as they should be`,
      )
    }),
  )
  expect(total.looked_for).toBeGreaterThan(CUTS)
  expect(faults.slice(0, SHOWN_MAX), `seed ${SEED}`).toEqual([])
})

/** What a cut has cost a peer that does not sync. */
interface Loss {
  readonly changes: number
  readonly of: number
  /** The store itself said that something is missing. */
  readonly isNoticed: boolean
}

async function lossOf(power: PowerCut, bound: readonly Bound[]): Promise<Loss> {
  const data = join(await power.mount(), 'data')
  const loss = async (onLoss: OnLoss): Promise<Loss> => {
    const store = await openLevelStore(data, { onLoss })
    try {
      const changes = lostOf(bound, await readStore(store)).length
      return { changes, of: bound.length, isNoticed: onLoss === 'accept' }
    } finally {
      await store.close()
    }
  }
  return loss('refuse')
    .catch(() => loss('accept'))
    .catch(() => ({ changes: bound.length, of: bound.length, isNoticed: true }))
}

test('[DUR-1] the control: a peer that does not sync loses what it acknowledged to such cuts', async ({
  skip,
}) => {
  skip(obstacle !== undefined, obstacle)
  const losses: Loss[] = []
  const losing = (): number => losses.filter(({ changes }) => changes > 0).length
  await onDisks(CONTROL_CUTS, (seed, count) =>
    withRig({ seed, nodeArgs: UNSYNCED }, async rig => {
      for (const { mark, power } of await cutUnderLoad(rig, count)) {
        losses.push(await lossOf(power, rig.load.bound(mark)))
        await power.discard()
      }
      const sum = (of: (loss: Loss) => number): number => losses.reduce((total, loss) => total + of(loss), 0)
      console.log(
        `${losses.length} of ${CONTROL_CUTS} power cuts without a sync (seed ${SEED}): ${losing()} have lost something, ` +
          `${sum(({ changes }) => changes)} of ${sum(({ of }) => of)} acknowledged changes in all; the store itself ` +
          `noticed ${sum(({ isNoticed }) => Number(isNoticed))}`,
      )
    }),
  )
  expect(losing() / CONTROL_CUTS).toBeGreaterThanOrEqual(CONTROL_LOSES)
})
