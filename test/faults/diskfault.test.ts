import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../support/peer-until.ts'
import { WireClient } from '../support/wire-client.ts'
import { BrokenSyncs } from './broken-syncs.ts'
import { obstacleTo } from './machine.ts'
import { BALLAST, type Cut, cutNow, judge, judgeEnd, type Rig, SHOWN_MAX, told, withRig } from './rig.ts'

/** `npm run diskfault` makes many of each. */
const BROKEN = Number(process.env.WEFT_BROKEN_SYNCS ?? 1)
const FULL = Number(process.env.WEFT_FULL_DISKS ?? 1)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_126)
const PER_DISK = 5
const SIZE_MIB = 96
const ACKED_BETWEEN_MAX = 300
const FAILING_MAX = 4
const BALLAST_CHUNK = Buffer.alloc(262_144, 1)
const PATIENCE_MS = 60_000
const TRY_LATER = 1013
/** One thread makes all syncs of the peer, so that to count on each thread is to count. */
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' }

const obstacle = await obstacleTo(
  'disk faults',
  ['mount', 'fsfreeze', 'cp', 'mkfs.ext4', 'strace'],
  ['WEFT_BROKEN_SYNCS', 'WEFT_FULL_DISKS'],
)

async function isReady({ serve }: Rig): Promise<boolean> {
  return (await serve.http('/readyz')).status === 200
}

async function storeFailures({ serve }: Rig): Promise<number> {
  const { body } = await serve.http('/metrics')
  return Number(/^weft_store_failures_total (\d+)/m.exec(body)?.[1] ?? 0)
}

/**
 * Resolves when the peer has said that it is not ready, and has sent a newcomer away. A full disk may have room for a moment,
 * and let one in.
 */
async function refuses(rig: Rig): Promise<void> {
  await until(async () => !(await isReady(rig)), 'it is not ready', PATIENCE_MS)
  const isSentAway = async (): Promise<boolean> => {
    const newcomer = await WireClient.connect(rig.serve.url)
    return (await newcomer.closed) === TRY_LATER
  }
  await until(isSentAway, 'a newcomer is told to try later', PATIENCE_MS)
  expect((await rig.serve.http('/livez')).status).toBe(200)
}

async function goesOn(rig: Rig): Promise<void> {
  await until(() => isReady(rig), 'it is ready again', PATIENCE_MS)
  await rig.load.goesOn()
}

/** As `goesOn`, by the same process; what was acknowledged before a cut meanwhile was not in memory only. */
async function goesOnAfter({ power, mark }: Cut, rig: Rig): Promise<string[]> {
  await goesOn(rig)
  const faults = await judge(power, rig.load.bound(mark))
  await power.discard()
  return faults
}

/** Some syncs fail, and then the disk is as before: nobody has to do anything. */
async function breakBriefly(rig: Rig): Promise<string[]> {
  const before = await storeFailures(rig)
  const broken = await BrokenSyncs.of(rig.serve.pid, 1 + rig.dice(FAILING_MAX))
  try {
    await broken.failed(1)
    await until(async () => (await storeFailures(rig)) > before, 'the store has failed', PATIENCE_MS)
    await goesOn(rig)
    return []
  } finally {
    await broken.mend()
  }
}

/** All syncs fail, until the disk is mended. Power is cut meanwhile. */
async function breakForLong(rig: Rig): Promise<string[]> {
  const { serve, load, dice } = rig
  const broken = await BrokenSyncs.of(serve.pid)
  let cut: Cut
  let unsynced: number
  try {
    await refuses(rig)
    const { acked } = load
    cut = await cutNow(rig)
    await broken.failed(broken.count + 1 + dice(FAILING_MAX))
    unsynced = load.acked - acked
  } finally {
    await broken.mend()
  }
  const faults = await goesOnAfter(cut, rig)
  if (unsynced > 0) faults.push(`${unsynced} changes were acknowledged that were not synced`)
  return faults
}

/** The disk is filled up under load, and power is cut meanwhile; then there is room again. */
async function fill(rig: Rig): Promise<string[]> {
  const ballast = join(rig.disk.volume, BALLAST)
  await writeUntilFull(ballast)
  await refuses(rig)
  const cut = await cutNow(rig)
  await rm(ballast)
  return goesOnAfter(cut, rig)
}

/** The peer is killed while its disk is full. It says why it does not start, unless it does, and starts when there is room. */
async function fillAndKill(rig: Rig): Promise<string[]> {
  const { disk, serve } = rig
  const ballast = join(disk.volume, BALLAST)
  await writeUntilFull(ballast)
  await refuses(rig)
  await serve.end('SIGKILL')
  const refusal = await serve.start().then(() => '', String)
  await rm(ballast)
  if (refusal !== '') await serve.start()
  await goesOn(rig)
  return refusal === '' || refusal.includes('"code":"WEFT_STORE_FAILED"') ? [] : [refusal]
}

async function writeUntilFull(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (;;) await file.write(BALLAST_CHUNK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await file.close()
  }
}

/** Disk after disk, until so many faults were made. What was acknowledged at any time is where it was at the end. */
async function makeFaults(
  what: string,
  count: number,
  kinds: readonly ((rig: Rig) => Promise<string[]>)[],
): Promise<void> {
  const faults: string[] = []
  const total = { made: 0, acked: 0 }
  while (total.made < count) {
    await withRig({ seed: SEED + total.made, env: ONE_THREAD, size_mib: SIZE_MIB }, async rig => {
      for (const end = Math.min(count, total.made + PER_DISK); total.made < end; total.made++) {
        await rig.load.grows(1 + rig.dice(ACKED_BETWEEN_MAX))
        const make = kinds[total.made % kinds.length]!
        faults.push(...told(`${make.name}, number ${total.made + 1}`, await make(rig)))
      }
      faults.push(...told('at the end', await judgeEnd(rig, () => rig.load.bound())))
      total.acked += rig.load.acked
    })
    console.log(
      `${total.made} of ${count} ${what} (seed ${SEED}): ${total.acked} acknowledged changes looked for, ` +
        `${faults.length} not as they should be`,
    )
  }
  expect(total.acked).toBeGreaterThan(count)
  expect(faults.slice(0, SHOWN_MAX), `seed ${SEED}`).toEqual([])
}

test('[DUR-1] [DUR-3] syncs that fail: the peer opens its store anew, acknowledges nothing meanwhile, and nothing is lost or moved', async ({
  skip,
}) => {
  skip(obstacle !== undefined, obstacle)
  await makeFaults('broken disks', BROKEN, [breakBriefly, breakForLong])
})

test('[DUR-1] [DUR-3] a full disk: the peer lives on, lets nobody in, and goes on when there is room', async ({
  skip,
}) => {
  skip(obstacle !== undefined, obstacle)
  await makeFaults('full disks', FULL, [fill, fillAndKill])
})
