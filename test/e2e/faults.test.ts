import { ChangeSet, decodeChange, type LogRecord } from '@weft/core'
import { ANY_CONTEXT, connect } from '@weft/replica'
import { openLevelStore } from '@weft/store-level'
import { expect, onTestFinished, test } from 'vitest'
import { type Acked, AckedWriter } from '../support/acked-writer.ts'
import { seededDice, sha256 } from '../support/core-property.ts'
import { ServeProcess } from '../support/peer-process.ts'
import { until } from '../support/peer-until.ts'
import { WorkerProcess } from '../support/worker-process.ts'

/** `npm run kills` makes 200. */
const KILLS = Number(process.env.WEFT_KILLS ?? 2)
const SEED = Number(process.env.WEFT_SEED ?? 20_261_126)
/** Then they go on in a context that is empty, for each worker begins with all of it. */
const KILLS_PER_WORKFLOW = 10
const ACKED_BETWEEN = { least: 50, most: 350 }
const PATIENCE = { timeout_ms: 60_000 }

/** A worker that writes in a process of its own, and after it is killed its successor. */
class KilledWorker {
  readonly acked: Acked[] = []
  readonly faults: string[] = []
  #worker: WorkerProcess | undefined
  #following: Promise<void> | undefined

  constructor(private readonly env: Readonly<Record<string, string>>) {}

  async begin(): Promise<void> {
    const worker = new WorkerProcess('journal-worker.mjs', this.env)
    const said = await worker.next()
    const known = Math.max(0, ...this.acked.map(({ position }) => position))
    if (!said || (said.knows as number) < known)
      this.faults.push(`a successor knows ${said?.knows}, and ${known} was acknowledged to the one before`)
    this.#worker = worker
    this.#following = this.#follow(worker)
  }

  async kill(): Promise<void> {
    await this.#worker?.kill()
    await this.#following
    await this.begin()
  }

  /** Resolves when all that it wrote is acknowledged. */
  async stop(): Promise<void> {
    this.#worker?.tell({ stop: true })
    await this.#following
  }

  async #follow(worker: WorkerProcess): Promise<void> {
    for (let said = await worker.next(); said !== undefined; said = await worker.next()) {
      if ('refused' in said) this.faults.push(`a change was refused: ${said.refused}`)
      else this.acked.push(said as unknown as Acked)
    }
  }
}

/** Two workers that are killed, and two that are not, who write to a context of a peer that is killed. */
class Crowd {
  private constructor(
    private readonly serve: ServeProcess,
    readonly workflow: string,
    readonly mortals: readonly KilledWorker[],
    private readonly others: readonly AckedWriter[],
  ) {}

  static async gather(serve: ServeProcess, workflow: string): Promise<Crowd> {
    const { url } = serve
    const token = await serve.token()
    const mortals = ['ada', 'bob'].map(
      agent => new KilledWorker({ URL: url, TOKEN: token, WORKFLOW: workflow, AGENT: agent }),
    )
    const others: AckedWriter[] = []
    for (const agent of ['cyd', 'dee']) others.push(await AckedWriter.start({ url, token, workflow, agent }))
    onTestFinished(async () => void (await Promise.all(others.map(writer => writer.close()))))
    await Promise.all(mortals.map(worker => worker.begin()))
    return new Crowd(serve, workflow, mortals, others)
  }

  get acked(): readonly Acked[] {
    return [...this.mortals, ...this.others].flatMap(({ acked }) => acked)
  }

  async grows(by: number): Promise<void> {
    const enough = this.acked.length + by
    await until(() => this.acked.length >= enough, 'more is acknowledged', PATIENCE.timeout_ms)
  }

  /** Ends the writing. @returns what is wrong with what they hold */
  async settle(): Promise<string[]> {
    await Promise.all([...this.mortals, ...this.others].map(writer => writer.stop()))
    const replica = await connect({ url: this.serve.url, token: await this.serve.token(), ...PATIENCE })
    onTestFinished(() => replica.close({ discard: true }))
    const reader = await replica.open(ANY_CONTEXT, { workflow: this.workflow, agent: 'reader', ...PATIENCE })
    const faults = this.mortals.flatMap(worker => worker.faults)
    for (const { context, refused } of this.others) {
      await context.until(() => context.position === reader.position, PATIENCE)
      if (context.digest() !== reader.digest())
        faults.push(`${context.agent} holds something else than the peer`)
      faults.push(...refused.map(reason => `a change was refused: ${reason}`))
    }
    await Promise.all([...this.others.map(writer => writer.close()), replica.close({ discard: true })])
    return faults
  }

  /** @returns what of it is not in a log where it was acknowledged, and what survivors wrote that is not in it */
  missingIn(log: readonly LogRecord[]): string[] {
    const ids = new Set(log.map(({ id }) => id))
    const lost = this.acked.filter(({ id, position }) => log[position - 1]?.id !== id)
    const gone = this.others.flatMap(({ written }) => written.filter(id => !ids.has(id)))
    return [
      ...lost.map(({ id, position }) => `lost: ${id} at ${position}`),
      ...gone.map(id => `never came: ${id}`),
    ]
  }
}

async function logOf(serve: ServeProcess, workflow: string): Promise<LogRecord[]> {
  const store = await openLevelStore(serve.data)
  const log = await store.tenant('acme').read(workflow, 1, Number.MAX_SAFE_INTEGER)
  await store.close()
  const set = new ChangeSet(sha256)
  // It throws at a change whose deps have not come before it (DUR-2).
  for (const { bytes } of log) set.add(decodeChange(bytes, sha256))
  return log
}

test(`[DUR-1] [DUR-2] ${KILLS} kills of a peer and of those who write to it: nothing acknowledged is lost`, async () => {
  const serve = await ServeProcess.start()
  const faults: string[] = []
  const total = { peer: 0, worker: 0, acked: 0 }
  const dice = seededDice(SEED)
  for (let kill = 0; kill < KILLS; ) {
    const crowd = await Crowd.gather(serve, `w-${kill}`)
    for (const end = Math.min(KILLS, kill + KILLS_PER_WORKFLOW); kill < end; kill++) {
      await crowd.grows(ACKED_BETWEEN.least + dice(ACKED_BETWEEN.most - ACKED_BETWEEN.least))
      if (kill % 2 === 0) {
        await serve.end('SIGKILL')
        await serve.start()
        total.peer++
      } else {
        await crowd.mortals[dice(crowd.mortals.length)]!.kill()
        total.worker++
      }
    }
    await crowd.grows(ACKED_BETWEEN.least)
    const found = await crowd.settle()
    expect(await serve.end('SIGTERM')).toBe(0)
    found.push(...crowd.missingIn(await logOf(serve, crowd.workflow)))
    for (const fault of found) console.error(`FAULT in ${crowd.workflow}: ${fault}`)
    faults.push(...found)
    await serve.start()
    total.acked += crowd.acked.length
    console.log(
      `${kill} of ${KILLS} kills, ${total.peer} of the peer and ${total.worker} of workers (seed ${SEED}): ` +
        `${total.acked} acknowledged changes looked for, ${faults.length} not as they should be`,
    )
  }
  expect(total.peer + total.worker).toBe(KILLS)
  expect(faults, `seed ${SEED}`).toEqual([])
})
