import {
  type AuditRecord,
  audit,
  type Conflict,
  type Entry,
  type Erased,
  findConflicts,
  type JsonObject,
  StateDoc,
  sayWritten,
} from '@weft/core'
import { clip, countKinds, formatJson, formatTime, plural, shortId, table } from '../base/text.js'
import { type ContextCopy, positionOf, type Target } from '../logs/context-copy.js'
import { writtenIn } from './log-format.js'

/** A context as its heads show it. */
export interface Overview {
  readonly workflow: string
  readonly target: string
  readonly heads: readonly string[]
  readonly position: number
  readonly changes: number
  readonly entries: number
  readonly kinds: Readonly<Record<string, number>>
  readonly agents: readonly string[]
  readonly branches: readonly {
    readonly name: string
    readonly heads: readonly string[]
    readonly changes: number
  }[]
  readonly conflicts: readonly Conflict[]
  readonly state: JsonObject
}

export function overviewOf(copy: ContextCopy, target: Target): Overview {
  const { set, index, workflow } = copy
  const view = set.viewAt(target.heads)
  const headers = [...view.flatten()].map(node => set.change(node).header)
  const kinds: Record<string, number> = {}
  for (const kind of headers.flatMap(header => header.kinds)) kinds[kind] = (kinds[kind] ?? 0) + 1
  const state = new StateDoc(set, view)
  try {
    return {
      workflow,
      target: target.name,
      heads: set.ids(target.heads),
      position: index.position,
      changes: view.size,
      entries: headers.reduce((sum, header) => sum + header.kinds.length, 0),
      kinds,
      agents: [...new Set(headers.map(({ agent }) => agent))].sort(),
      branches: set.branches
        .names()
        .sort()
        .map(name => ({ name, heads: set.heads(name), changes: set.view(name).size })),
      conflicts: findConflicts(set, view, state),
      state: state.read(),
    }
  } finally {
    state.free()
  }
}

export function formatOverview(overview: Overview): string[] {
  const { workflow, target, heads, position, changes, entries, kinds, agents, branches, conflicts, state } =
    overview
  const counted = Object.entries(kinds).flatMap(([kind, count]) => Array<string>(count).fill(kind))
  return [
    `workflow   ${workflow}, ${target}`,
    `heads      ${heads.map(shortId).join(', ') || '(none)'}`,
    `position   ${position}`,
    `holds      ${plural(changes, 'change')}, ${plural(entries, 'entry')}${counted.length > 0 ? `: ${countKinds(counted)}` : ''}`,
    `agents     ${agents.join(', ') || '(none)'}`,
    'branches',
    ...table(
      branches.map(each => [
        `  ${each.name}`,
        plural(each.changes, 'change'),
        each.heads.map(shortId).join(', ') || '(nothing yet)',
      ]),
    ),
    `conflicts  ${conflicts.length === 0 ? 'none' : conflicts.length}`,
    ...conflicts.flatMap(formatConflict),
    'state',
    ...formatJson(state).split('\n').map(indent),
  ]
}

export function formatConflict({ pointer, winner, values }: Conflict): string[] {
  return [
    `  ${sayWritten(pointer) || '(the whole state)'} shows ${clip(JSON.stringify(winner) ?? 'nothing', 60)}`,
    ...values.map(
      ({ pointer: at, value, agent, branch, change }) =>
        `    ${clip(JSON.stringify(value) ?? '(deleted)', 60)}${at === pointer ? '' : ` at ${sayWritten(at)}`}` +
        `  by ${agent} on ${branch}, ${shortId(change)}`,
    ),
  ]
}

/** One change in full. */
export function recordOf(
  copy: ContextCopy,
  node: number,
): AuditRecord & { readonly position: number | null } {
  const { set } = copy
  const id = set.dag.id(node)
  for (const record of audit(set, set.viewAt([node]))) {
    if (record.change === id) return { position: positionOf(copy, node) ?? null, ...record }
  }
  throw new Error(`change ${id} is not in its own view`)
}

export function formatRecord(record: ReturnType<typeof recordOf>): string[] {
  const { change, position, branch, agent, actor, seq, lamport, time, deps, forks, merges, reason } = record
  return [
    `change     ${change}`,
    `position   ${position ?? '(not known)'}`,
    `written    on ${branch} by ${agent}, ${formatTime(time)}`,
    `actor      ${actor}, seq ${seq}, lamport ${lamport}`,
    `deps       ${deps.map(shortId).join(', ') || '(none: it is a beginning)'}`,
    ...(forks.length > 0 ? [`forks      ${forks.join(', ')}`] : []),
    ...(merges.length > 0 ? [`merges     ${merges.join(', ')}`] : []),
    ...(record.abandons.length > 0 ? [`abandons   ${record.abandons.join(', ')}`] : []),
    ...(reason === undefined ? [] : [`reason     ${clip(reason, 1_000)}`]),
    ...(record.erased ? [`erased     ${formatErased(record.erased)}`] : []),
    ...(record.erases.length > 0 ? [`erases     ${record.erases.map(shortId).join(', ')}`] : []),
    ...(record.pointers.length > 0 ? [`state      ${writtenIn(record).join(' ')}`] : []),
    ...record.reads.map(
      ({ ref, version }) => `read       ${ref}${version === undefined ? '' : ` @ ${version}`}`,
    ),
    ...record.entries.flatMap(formatEntry),
  ]
}

export function formatEntry({ id, kind, value, erased }: Entry): string[] {
  if (erased) return [`entry      ${shortId(id)}  ${kind}`, `  ${formatErased(erased)}`]
  return [
    `entry      ${shortId(id)}  ${kind}`,
    ...formatJson(value as JsonObject)
      .split('\n')
      .map(indent),
  ]
}

function formatErased({ by, agent, reason }: Erased): string {
  if (by === null) return 'erased; the change that says so is not here yet'
  const why = reason === undefined ? '' : `: ${clip(reason, 1_000)}`
  return `erased by ${agent} with ${shortId(by)}${why}`
}

function indent(line: string): string {
  return `  ${line}`
}
