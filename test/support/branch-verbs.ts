import { type GatewayHarness, gatewayScene } from './gateway-harness.ts'

export const W = '/v1/contexts/w'
export const schema = { name: 'research', version: 1 }

/** The verbs as an agent `a` of `research@1` sends them to workflow `w`, unless it says otherwise. */
export function verbsOf(api: GatewayHarness) {
  const by = { agent: 'a', schema }
  return {
    fork: (branches: readonly string[], more: object = {}) =>
      api.post(`${W}/branches`, { ...by, branches, ...more }),
    merge: (branches: readonly string[], more: object = {}) =>
      api.post(`${W}/merges`, { ...by, branches, ...more }),
    abandon: (more: object) => api.post(`${W}/branches/abandon`, { agent: 'a', ...more }),
    resolve: (pointer: string, value: unknown, more: object = {}) =>
      api.post(`${W}/resolutions`, { ...by, pointer, value, ...more }),
    /** One value at one pointer of a branch. */
    put: (branch: string, value: unknown, more: object = {}) =>
      api.write({ branch, patch: [{ op: 'add', path: '/constraints/by', value }], ...more }),
    states: async () =>
      Object.fromEntries(
        (await api.get(`${W}/branches`)).body.branches.map(({ name, state }) => [name, state]),
      ),
  }
}

/** As `gatewayScene`, with the verbs; the gateway knows as much as its replica does. */
export async function branchScene() {
  const found = await gatewayScene()
  await found.api.get(`${W}/state?after=${found.after}`)
  return { ...found, ...verbsOf(found.api) }
}
