import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, MUTANTS } from './list.js'

const SEEDS = 150
const STEPS = 1_500

/**
 * Plants each defect into a copy of the compiled code, and simulates that until a law is broken.
 * @param root of the repository, built @param only part of the names of those to be run
 * @returns the exit code: 0 when every one of them was found by a law that it breaks
 */
export async function runMutants(root: string, only: string, print: (line: string) => void): Promise<number> {
  const chosen = MUTANTS.filter(({ name }) => name.includes(only))
  let found = 0
  for (const mutant of chosen) {
    const verdict = await judge(root, mutant)
    if (verdict.isFound) found++
    print(`${verdict.isFound ? 'found   ' : 'SURVIVES'}  ${mutant.name}: ${verdict.said}`)
  }
  print(`${found} of ${chosen.length} mutants found`)
  return found === chosen.length && found > 0 ? 0 : 1
}

async function judge(root: string, mutant: Mutant): Promise<{ isFound: boolean; said: string }> {
  const copy = await mkdtemp(join(tmpdir(), 'weft-mutant-'))
  try {
    await copyBuilt(root, copy)
    await plant(copy, mutant)
    const lines = await simulate(copy)
    const said = lines.find(line => line.startsWith('  [')) ?? lines.at(-1) ?? ''
    const law = /^ {2}\[([A-Z]{3}-\d)\]/.exec(said)?.[1]
    return { isFound: law !== undefined && mutant.laws.includes(law), said: said.trim().slice(0, 110) }
  } finally {
    await rm(copy, { recursive: true })
  }
}

/** The packages as they were built, beside the libraries of the repository. */
async function copyBuilt(root: string, copy: string): Promise<void> {
  const libraries = join(copy, 'node_modules')
  await mkdir(join(libraries, '@weft'), { recursive: true })
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name !== '@weft') await symlink(join(root, 'node_modules', name), join(libraries, name))
  }
  for (const name of await readdir(join(root, 'packages'))) {
    const target = join(copy, 'packages', name)
    for (const part of ['package.json', 'dist', 'bin'])
      await cp(join(root, 'packages', name, part), join(target, part), { recursive: true }).catch(
        ignoreMissing,
      )
    await symlink(target, join(libraries, '@weft', name))
  }
}

async function plant(copy: string, { name, file, from, to }: Mutant): Promise<void> {
  const path = join(copy, 'packages', file)
  const code = await readFile(path, 'utf8')
  if (!code.includes(from)) throw new Error(`${name}: ${file} no longer holds ${JSON.stringify(from)}`)
  await writeFile(
    path,
    code.replace(from, () => to),
  )
}

function simulate(copy: string): Promise<string[]> {
  const sim = join(copy, 'packages', 'testkit', 'bin', 'sim.js')
  const child = spawn(process.execPath, [sim, '--seeds', `${SEEDS}`, '--steps', `${STEPS}`, '--unshrunk'])
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', data => {
      text += data
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(text.split('\n').filter(line => line !== '')))
  })
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
