import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { ServeProcess } from '../support/peer-process.ts'
import { Research } from '../support/replica-contexts.ts'
import { StockClient, sharingStep } from '../support/scratch-clients.ts'

const DRAFTED = 'canary-of-the-draft'
const TOLD = 'canary-of-the-presence'
const PROMOTED = 'canary-that-was-promoted'

test('[TIR-1] no byte of a scratch is in the data directory, while it is shared or after; what is promoted is', async () => {
  const serve = await ServeProcess.start()
  const token = await serve.token()
  const replica = await connect({ url: serve.url, token })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
  const held = await sharingStep(context)
  const draft = held.step.scratch.text('draft')
  const watcher = await StockClient.synced(held.place, token)
  watcher.provider.awareness.setLocalState({ note: TOLD })
  for (let i = 0; i < 200; i++) draft.insert(0, DRAFTED)
  await watcher.reads(DRAFTED.repeat(200))
  await context.append('message', { text: 'something else is written meanwhile' }).committed
  expect(await found(serve.data)).toEqual([])
  await held.end(step => void step.promote('message', { text: PROMOTED }))
  expect(await found(serve.data)).toEqual([PROMOTED])
  await serve.end('SIGTERM')
  expect(await found(serve.data)).toEqual([PROMOTED])
})

/** Which canaries are in any file of a directory. LevelDB's log holds what was written as it is. */
async function found(directory: string): Promise<string[]> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true })
  const contents = await Promise.all(
    files.filter(file => file.isFile()).map(file => readFile(join(file.parentPath, file.name), 'latin1')),
  )
  return [DRAFTED, TOLD, PROMOTED].filter(canary => contents.some(text => text.includes(canary)))
}
