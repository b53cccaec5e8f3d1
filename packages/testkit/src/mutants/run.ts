import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, MUTANTS } from './list.js'

const SEEDS = 300
const STEPS = 1_500

/**
 * Plants each defect into a copy of the compiled code, and simulates that until a law is broken.
 * @param root of the repository, built @param only part of the names of those to be run
 * @returns the exit code: 0 when every one of them was found by a law that it breaks; none is planted where a text that
 *   one replaces stands no longer in the code
 */
export async function runMutants(
  root: string,
  only: string,
  print: (line: string) => void,
  mutants: readonly Mutant[] = MUTANTS,
): Promise<number> {
  const chosen = mutants.filter(({ name }) => name.includes(only))
  const outdated = await outdatedMutants(root, chosen)
  for (const { name, file, from } of outdated)
    print(`OUTDATED  ${name}: ${file} no longer holds ${JSON.stringify(from)}`)
  if (outdated.length > 0) return 1
  let found = 0
  for (const mutant of chosen) {
    const verdict = await judge(root, mutant)
    if (verdict.isFound) found++
    print(`${verdict.isFound ? 'found   ' : 'SURVIVES'}  ${mutant.name}: ${verdict.said}`)
  }
  print(`${found} of ${chosen.length} mutants found, each within ${SEEDS} seeds of ${STEPS} steps`)
  return found === chosen.length && found > 0 ? 0 : 1
}

/** Those whose text stands nowhere in the code as it was built: they could not be planted, and would prove nothing. */
export async function outdatedMutants(root: string, mutants: readonly Mutant[] = MUTANTS): Promise<Mutant[]> {
  const codes = await Promise.all(mutants.map(({ file }) => readFile(join(root, 'packages', file), 'utf8')))
  return mutants.filter(({ from }, index) => !codes[index]!.includes(from))
}

async function judge(root: string, mutant: Mutant): Promise<{ isFound: boolean; said: string }> {
  const copy = await mkdtemp(join(tmpdir(), 'weft-mutant-'))
  try {
    await copyBuilt(root, copy)
    await plant(copy, mutant)
    const lines = await simulate(copy, mutant)
    const found = lines.find(line => mutant.laws.some(law => line.startsWith(`  [${law}]`)))
    const said = found ?? lines.find(line => line.startsWith('  [')) ?? lines.at(-1) ?? ''
    return { isFound: found !== undefined, said: said.trim().slice(0, 110) }
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
    await unbundle(join(target, 'package.json')).catch(ignoreMissing)
    await symlink(target, join(libraries, '@weft', name))
  }
}

/** What a package exports is loaded from the modules that its bundle was made of: into those a defect is planted. */
async function unbundle(manifest: string): Promise<void> {
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replaceAll('"./lib/', '"./dist/'))
}

async function plant(copy: string, { file, from, to }: Mutant): Promise<void> {
  const path = join(copy, 'packages', file)
  const code = await readFile(path, 'utf8')
  await writeFile(
    path,
    code.replace(from, () => to),
  )
}

function simulate(copy: string, { faults = 'all', rates = false }: Mutant): Promise<string[]> {
  const sim = join(copy, 'packages', 'testkit', 'bin', 'sim.js')
  const budget = ['--seeds', `${SEEDS}`, '--steps', `${STEPS}`]
  const child = spawn(process.execPath, [
    sim,
    ...budget,
    '--faults',
    faults,
    '--unshrunk',
    ...(rates ? ['--rates'] : []),
  ])
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
