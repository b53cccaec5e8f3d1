import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../support/peer-until.ts'
import { WireClient } from '../support/wire-client.ts'
import { BrokenSyncs } from './broken-syncs.ts'
import { obstacleTo } from './machine.ts'
import { BALLAST, type Cut, cutNow, judge, judgeEnd, type Rig, SHOWN_MAX, told, withRig } from './rig.ts'

/** `npm run diskfault` makes many of each. */
const BROKEN = Number(process.env.WEFT_BROKEN_SYNCS ?? 2)
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

/** What must be so while the disk takes nothing that is written. @returns what is not */
async function faultsWhileRefusing(rig: Rig): Promise<string[]> {
  const { serve } = rig
  await until(async () => !(await isReady(rig)), 'it is not ready', PATIENCE_MS)
  const newcomer = await WireClient.connect(serve.url)
  const [code, { status }] = [await newcomer.closed, await serve.http('/livez')]
  return [
    ...(code === TRY_LATER ? [] : [`a newcomer was sent away with ${code}`]),
    ...(status === 200 ? [] : [`/livez says ${status}`]),
  ]
}

/** It is the same process that goes on. @returns what is wrong */
async function faultsWhenMended(rig: Rig, pid: number): Promise<string[]> {
  await until(() => isReady(rig), 'it is ready again', PATIENCE_MS)
  await rig.load.goesOn()
  return rig.serve.pid === pid && process.kill(pid, 0) ? [] : ['the peer has died']
}

/** Some syncs fail, and then the disk is as before: nobody has to do anything. */
async function breakBriefly(rig: Rig): Promise<string[]> {
  const { pid } = rig.serve
  const broken = await BrokenSyncs.of(pid, 1 + rig.dice(FAILING_MAX))
  try {
    await broken.failed(1)
    await rig.load.goesOn()
    return await faultsWhenMended(rig, pid)
  } finally {
    await broken.mend()
  }
}

/** All syncs fail, until the disk is mended. Power is cut meanwhile: what was acknowledged was not in memory only. */
async function breakForLong(rig: Rig): Promise<string[]> {
  const { serve, load, dice } = rig
  const { pid } = serve
  const broken = await BrokenSyncs.of(pid)
  const faults: string[] = []
  let cut: Cut
  try {
    faults.push(...(await faultsWhileRefusing(rig)))
    const { acked } = load
    cut = await cutNow(rig)
    await broken.failed(broken.count + 1 + dice(FAILING_MAX))
    if (load.acked > acked)
      faults.push(`${load.acked - acked} changes were acknowledged that were not synced`)
  } finally {
    await broken.mend()
  }
  faults.push(...(await faultsWhenMended(rig, pid)))
  faults.push(...(await judge(cut.power, load.bound(cut.mark))))
  await cut.power.discard()
  return faults
}

/** The disk is filled up under load, and power is cut meanwhile; then there is room again. */
async function fill(rig: Rig): Promise<string[]> {
  const { disk, serve, load } = rig
  const { pid } = serve
  const ballast = join(disk.volume, BALLAST)
  await writeUntilFull(ballast)
  const faults = await faultsWhileRefusing(rig)
  const cut = await cutNow(rig)
  await rm(ballast)
  faults.push(...(await faultsWhenMended(rig, pid)))
  faults.push(...(await judge(cut.power, load.bound(cut.mark))))
  await cut.power.discard()
  return faults
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

/** Disk after disk, until all faults were made. What was acknowledged at any time is where it was at the end. */
async function makeFaults(what: string, all: readonly ((rig: Rig) => Promise<string[]>)[]): Promise<void> {
  const faults: string[] = []
  const total = { made: 0, failures: 0, acked: 0 }
  for (let done = 0; done < all.length; done += PER_DISK) {
    await withRig({ seed: SEED + done, env: ONE_THREAD, size_mib: SIZE_MIB }, async rig => {
      for (const make of all.slice(done, done + PER_DISK)) {
        await rig.load.grows(1 + rig.dice(ACKED_BETWEEN_MAX))
        const before = await storeFailures(rig)
        const found = await make(rig)
        const failures = (await storeFailures(rig)) - before
        if (failures === 0) found.push('the fault has hit no write')
        faults.push(...told(`in ${make.name}, number ${total.made + 1}`, found))
        total.failures += failures
        total.made++
      }
      faults.push(...told('at the end', await judgeEnd(rig, () => rig.load.bound())))
      total.acked += rig.load.acked
    })
    console.log(
      `${total.made} of ${all.length} ${what} (seed ${SEED}): the store failed ${total.failures} times, ` +
        `${total.acked} acknowledged changes looked for, ${faults.length} not as they should be`,
    )
  }
  expect(total.made).toBe(all.length)
  expect(faults.slice(0, SHOWN_MAX), `seed ${SEED}`).toEqual([])
}

test('[DUR-1] [DUR-3] syncs that fail: the peer opens its store anew, acknowledges nothing meanwhile, and nothing is lost or moved', async ({
  skip,
}) => {
  skip(obstacle !== undefined, obstacle)
  const kinds = [breakBriefly, breakForLong]
  await makeFaults(
    'broken disks',
    Array.from({ length: BROKEN }, (_, n) => kinds[n % kinds.length]!),
  )
})

test('[DUR-1] [DUR-3] a full disk: the peer lives on, lets nobody in, and goes on when there is room', async ({
  skip,
}) => {
  skip(obstacle !== undefined, obstacle)
  await makeFaults(
    'full disks',
    Array.from({ length: FULL }, () => fill),
  )
})
