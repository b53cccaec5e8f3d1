import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { default as addFormats } from 'ajv-formats'

interface Operation {
  readonly requestBody?: unknown
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

export interface OpenApiDocument {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Answered {
  readonly status: number
  readonly type: string | null
  readonly text: string
}

/** Those that were read before, by their text: to make one ready takes longer than most tests take that ask a gateway. */
const known = new Map<string, ApiDocument>()

/** An OpenAPI document, to hold requests and answers against: what it does not describe is an error. */
export class ApiDocument {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true })
  readonly #validators = new Map<string, ValidateFunction>()

  private constructor(readonly document: OpenApiDocument) {
    addFormats.default(this.#ajv)
    this.#ajv.addSchema(closed(document) as object, 'document')
  }

  static async of(url: string): Promise<ApiDocument> {
    const text = await (await fetch(`${url}/v1/openapi.json`)).text()
    const document = known.get(text) ?? new ApiDocument(JSON.parse(text) as OpenApiDocument)
    known.set(text, document)
    return document
  }

  /** @throws when the answer, or a request that was granted, is not as the document has it */
  check(method: string, path: string, body: unknown, answered: Answered): void {
    const found = this.#find(method, path)
    if (found === undefined) {
      if (answered.status !== 404) throw new Error(`${method} ${path} is answered, and is in no document`)
      return
    }
    const { template, operation } = found
    const verb = method.toLowerCase()
    const status = String(answered.status) in operation.responses ? String(answered.status) : 'default'
    const at = ['paths', template, verb, 'responses', status]
    const content = operation.responses[status]?.content
    if (content === undefined) {
      if (answered.text !== '') throw new Error(`${method} ${path} ${answered.status} has a body`)
      return
    }
    const [type = ''] = (answered.type ?? '').split(';')
    if (!(type in content)) throw new Error(`${method} ${path} ${answered.status} is ${type}`)
    this.#validate([...at, 'content', type, 'schema'], JSON.parse(answered.text))
    if (answered.status < 300 && operation.requestBody && typeof body === 'object') {
      this.#validate(['paths', template, verb, 'requestBody', 'content', 'application/json', 'schema'], body)
    }
  }

  #find(method: string, path: string) {
    const [pathname = ''] = path.split('?')
    for (const [template, operations] of Object.entries(this.document.paths)) {
      const pattern = new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`)
      const operation = operations[method.toLowerCase()]
      if (operation && pattern.test(pathname)) return { template, operation }
    }
    return undefined
  }

  #validate(at: readonly string[], value: unknown): void {
    const pointer = at
      .map(key => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
      .join('')
    let validate = this.#validators.get(pointer)
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: `document#${pointer}` })
      this.#validators.set(pointer, validate)
    }
    if (validate(value)) return
    throw new Error(`${at.slice(1, 5).join(' ')}: ${this.#ajv.errorsText(validate.errors)}`)
  }
}

/** The document with every object closed, so that what it does not name is found. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed)
  if (typeof node !== 'object' || node === null) return node
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]))
  if ('allOf' in node) return { ...copy, unevaluatedProperties: false }
  return copy.type === 'object' && 'properties' in copy && !('additionalProperties' in copy)
    ? { ...copy, unevaluatedProperties: false }
    : copy
}
