import { isWeftError, type Store, type TenantStore, wholeLog } from '@weft/core'
import { sha256 } from './context-copy.js'
import { LogCheck, type Verdict } from './log-check.js'

/** Checks every context of every tenant, one after the other; a damaged one does not hide the next. */
export async function* checkStore(store: Store): AsyncGenerator<Verdict> {
  for await (const id of store.tenants()) {
    const tenant = store.tenant(id)
    const { workflows, unlisted } = await workflowsOf(tenant)
    for (const workflow of workflows) yield await checkLog(tenant, workflow)
    if (unlisted !== undefined) {
      const check = new LogCheck('(all)', id)
      check.thrown('heads', unlisted)
      yield check.verdict()
    }
  }
}

/** Those whose head can be read, then those that the store says are damaged; else what kept it from saying so. */
async function workflowsOf(tenant: TenantStore): Promise<{ workflows: string[]; unlisted: unknown }> {
  const workflows: string[] = []
  try {
    for await (const { workflow } of tenant.heads()) workflows.push(workflow)
    return { workflows, unlisted: undefined }
  } catch (error) {
    const damaged = isWeftError(error) ? error.details.workflows : undefined
    if (!Array.isArray(damaged)) return { workflows, unlisted: error }
    return { workflows: [...workflows, ...damaged.filter(id => typeof id === 'string')], unlisted: undefined }
  }
}

/** The store verifies each record that it reads and refuses a damaged one, so what is after that is out of reach. */
async function checkLog(tenant: TenantStore, workflow: string): Promise<Verdict> {
  const check = new LogCheck(workflow, tenant.tenant)
  let next = 1
  try {
    const log = wholeLog(tenant, workflow, sha256)
    let page = await log.next()
    for (; !page.done; page = await log.next()) {
      for (const record of page.value) {
        const at = `position ${record.position}`
        if (record.position !== next)
          check.problem(at, 'WEFT_STORE_CORRUPT', `position ${next} was expected here`)
        check.record({ ...record, at })
        next = record.position + 1
      }
    }
    const { count = 0, heads = [] } = page.value ?? {}
    check.expect('head', { count, heads })
  } catch (error) {
    const position = isWeftError(error) ? error.details.position : undefined
    check.thrown(typeof position === 'number' ? `position ${position}` : 'head', error)
  }
  return check.verdict()
}
