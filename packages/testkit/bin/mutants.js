#!/usr/bin/env node
import { join } from 'node:path'
import { runMutants } from '../dist/mutants/run.js'

const root = join(import.meta.dirname, '..', '..', '..')
process.exitCode = await runMutants(root, process.argv[2] ?? '', line => console.log(line))
