import { type GraphNode, jsonDifference, layoutGraph } from '@weft/cli'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { holds } from '../support/core-property.ts'

describe('the layout of a graph', () => {
  test.each<[string, GraphNode[], string[]]>([
    ['nothing', [], []],
    ['one branch', [node('a'), node('b', 'a')], ['● a', '● b']],
    [
      'a fork that nobody merges',
      [node('a'), node('x:b', 'a'), node('c', 'a')],
      ['● a', '├─╮', '│ ● b', '● c'],
    ],
    [
      'a fan-out and its merge',
      [node('f'), node('x:a', 'f'), node('y:b', 'f'), node('z:c', 'f'), node('m', 'a', 'b', 'c')],
      ['● f', '├─┬─╮', '● │ │ a', '│ ● │ b', '│ │ ● c', '├─┴─╯', '● m'],
    ],
    [
      'a branch that goes on beside the one that was forked from it',
      [node('a'), node('x:b', 'a'), node('c', 'a'), node('m', 'b', 'c'), node('d', 'm')],
      ['● a', '├─╮', '│ ● b', '● │ c', '├─╯', '● m', '● d'],
    ],
    [
      'two workers on one branch at once',
      [node('a'), node('b', 'a'), node('c', 'a'), node('d', 'b', 'c')],
      ['● a', '├─╮', '● │ b', '│ ● c', '├─╯', '● d'],
    ],
    [
      'a merge across a lane that has nothing to do with it',
      [
        node('a'),
        node('x:b', 'a'),
        node('y:c', 'a'),
        node('z:d', 'a'),
        node('x:m', 'b', 'd'),
        node('y:e', 'c'),
      ],
      ['● a', '├─┬─╮', '● │ │ b', '│ ● │ c', '│ │ ● d', '├─│─╯', '● │ m', '  ● e'],
    ],
    ['two beginnings', [node('a'), node('b'), node('c', 'a', 'b')], ['● a', '│ ● b', '├─╯', '● c']],
  ])('%s', (_, nodes, drawing) => {
    expect(draw(nodes)).toEqual(drawing)
  })

  test('lanes have the colour of the branch that they bring', () => {
    const rows = layoutGraph([node('f'), node('x:a', 'f'), node('y:b', 'f'), node('m', 'a', 'b')])
    expect(rows[3]!.cells.map(({ branch }) => branch)).toEqual(['x', undefined, 'y'])
    const join = rows[4]!.cells
    expect(join.at(-1)).toEqual({ glyph: '╯', branch: 'y' })
  })

  test('every node is drawn once, in order', () => {
    holds(graphs(), nodes => {
      const drawn = layoutGraph(nodes).flatMap(row => row.node ?? [])
      expect(drawn).toEqual(nodes.map(({ id }) => id))
    })
  })

  test('no lane ends in the air', () => {
    holds(graphs(), nodes => {
      const rows = layoutGraph(nodes).map(({ cells }) => cells.filter((_, index) => index % 2 === 0))
      rows.forEach((row, index) => {
        const below = rows[index + 1] ?? []
        row.forEach((cell, column) => {
          if ('├┬╮│┼┤'.includes(cell.glyph)) expect(below[column]?.glyph ?? ' ').toMatch(/[│●├┤┼╯╰┴]/)
        })
      })
    })
  })
})

describe('the difference of two states', () => {
  test.each<[string, Parameters<typeof jsonDifference>[0], Parameters<typeof jsonDifference>[0], unknown[]]>([
    ['equal', { a: [1] }, { a: [1] }, []],
    ['a leaf', { a: { b: 1 } }, { a: { b: 2 } }, [{ pointer: '/a/b', a: 1, b: 2 }]],
    [
      'added and removed',
      { a: 1 },
      { b: 1 },
      [
        { pointer: '/a', a: 1, b: undefined },
        { pointer: '/b', a: undefined, b: 1 },
      ],
    ],
    [
      'lists by index',
      { l: [1, 2] },
      { l: [1, 3, 4] },
      [
        { pointer: '/l/1', a: 2, b: 3 },
        { pointer: '/l/2', a: undefined, b: 4 },
      ],
    ],
    ['another type', { a: [] }, { a: {} }, [{ pointer: '/a', a: [], b: {} }]],
    ['keys are escaped', { 'a/b': 1 }, { 'a/b': null }, [{ pointer: '/a~1b', a: 1, b: null }]],
  ])('%s', (_, a, b, expected) => {
    expect(jsonDifference(a, b)).toEqual(expected)
  })
})

/** `x:a` is a node `a` on branch `x`; without a branch it is on main. */
function node(name: string, ...parents: string[]): GraphNode {
  const [id, branch = 'main'] = name.split(':').reverse()
  return { id: id!, branch, parents }
}

function draw(nodes: readonly GraphNode[]): string[] {
  return layoutGraph(nodes).map(({ cells, node: id }) => {
    const lanes = cells.map(({ glyph }) => glyph).join('')
    return id === undefined ? lanes : `${lanes} ${id}`
  })
}

function graphs(): fc.Arbitrary<GraphNode[]> {
  const step = fc.record({ branch: fc.nat(3), parents: fc.array(fc.nat(30), { maxLength: 3 }) })
  return fc.array(step, { maxLength: 25 }).map(steps =>
    steps.map(({ branch, parents }, index) => ({
      id: `n${index}`,
      branch: `b${branch}`,
      parents: index === 0 ? [] : [...new Set(parents.map(parent => `n${parent % index}`))],
    })),
  )
}
