import { join } from 'node:path'
import { Level } from 'level'

const BYTES = 500
const WRITES = 1_000
const BATCH = 64
const BATCHES = 200

export interface Floor {
  /** Milliseconds of each fsynced write of one record. */
  readonly single: readonly number[]
  /** Records a second, fsynced in batches. */
  readonly batchedPerSecond: number
}

/** What LevelDB alone takes to put as many bytes on disk: no peer can be faster. */
export async function fsyncFloor(directory: string): Promise<Floor> {
  const db = new Level<string, Uint8Array>(join(directory, 'floor'), { valueEncoding: 'view' })
  await db.open()
  let next = 0
  const put = () => ({
    type: 'put' as const,
    key: String(next++).padStart(12, '0'),
    value: new Uint8Array(BYTES),
  })
  const single: number[] = []
  for (let i = 0; i < WRITES; i++) {
    const started = performance.now()
    await db.batch([put()], { sync: true })
    single.push(performance.now() - started)
  }
  const started = performance.now()
  for (let i = 0; i < BATCHES; i++) await db.batch(Array.from({ length: BATCH }, put), { sync: true })
  const seconds = (performance.now() - started) / 1_000
  await db.close()
  return { single, batchedPerSecond: (BATCH * BATCHES) / seconds }
}
