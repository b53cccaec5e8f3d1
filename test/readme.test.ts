import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { GatewayThread } from '@weft/gateway'
import { signToken, startPeer } from '@weft/peer'
import { expect, it } from 'vitest'
import { MemoryStore } from './support/memory-store.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..')
const SECRET = 'a secret of at least thirty-two bytes'
const NPX = /npx (weft [a-z]+)/g

it('runs the snippets of the README', async () => {
  const store = new MemoryStore()
  let gateway: GatewayThread | undefined
  const peer = await startPeer({
    openStore: async () => store,
    key: { kind: 'secret', secret: SECRET },
    port: 0,
    gateway: () => gateway!.port(),
  })
  gateway = new GatewayThread({ url: peer.url })
  const directory = await mkdtemp(join(ROOT, 'test', 'snippet-'))
  try {
    const token = await signToken(SECRET, { tenant: 'readme', scopes: ['read', 'write'], lifetime: 60 })
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
    const env = { ...process.env, WEFT_URL: peer.url, WEFT_TOKEN: token }
    const outputOf = async (name: string): Promise<string> => {
      const file = join(directory, `${name}.mjs`)
      await writeFile(file, stripTypes(snippetOf(readme, name)))
      return (await run(process.execPath, [file], { env })).stdout
    }
    const worker = await outputOf('snippet')
    expect(worker).toContain('2 entries came in')
    expect(worker).toContain('/constraints/winner')
    const http = await outputOf('http')
    expect(http).toMatch(/\d+ tokens for a model, of 4 messages; the plan was \[ 'compare' \]/)
    expect(http).toContain('3 decisions were handled')
    expect(http).toContain('pro and contra disagree on /constraints/verdict')
    expect(readme.match(/^```(?:ts|js)$/gm)).toHaveLength(3)
  } finally {
    await gateway.close()
    await peer.close()
    await rm(directory, { recursive: true })
  }
})

it('runs the simulation of the README', async () => {
  const directory = await mkdtemp(join(ROOT, 'test', 'snippet-'))
  try {
    const file = join(directory, 'simulation.test.ts')
    await writeFile(file, snippetOf(await readFile(join(ROOT, 'README.md'), 'utf8'), 'simulation'))
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
    const { stdout } = await run(process.execPath, [vitest, 'run', '--reporter=json', file], { cwd: ROOT })
    expect(JSON.parse(stdout)).toMatchObject({ numPassedTests: 5, numFailedTests: 0 })
  } finally {
    await rm(directory, { recursive: true })
  }
})

it('names only commands that there are', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const { stdout } = await run(process.execPath, [join(ROOT, 'packages/cli/bin/weft.js'), '--help'])
  const named = [...readme.matchAll(/`weft ([^`]+)`/g), ...readme.matchAll(NPX)].flatMap(([, words]) =>
    words!.split(' · ').map(part => part.replace(/^weft /, '').split(' ')[0]!),
  )
  const verbs = named.filter(verb => !verb.startsWith('-'))
  expect(verbs.length).toBeGreaterThan(8)
  for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^  ${verb}\\b`, 'm'))
})

function snippetOf(readme: string, name: string): string {
  const code = new RegExp(`<!-- test: ${name} -->\n\`\`\`[jt]s\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1]
  if (code === undefined) throw new Error(`the README has no snippet ${name}`)
  return code
}

/** The snippet's only syntax beyond JavaScript. */
function stripTypes(code: string): string {
  return code.replaceAll(/(?<=[\w\])])!(?=[\s.,)}])/g, '')
}
