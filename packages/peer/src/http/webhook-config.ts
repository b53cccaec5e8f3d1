import { checkFilter, checkId, type Filter, WeftError } from '@weft/core'

/** A webhook, as the operator of a peer configures it: no tenant can add one, or choose where it goes. */
export interface WebhookConfig {
  readonly name: string
  readonly tenant: string
  /** A pattern in which `*` stands for any characters. Default all. */
  readonly workflows?: string
  /** `https:`, or `http:` for what is near. A redirect is not followed. */
  readonly url: string
  /** What deliveries are signed with: 24 bytes or more. */
  readonly secret: string
  /** Default: all that happens. */
  readonly filter?: Filter
}

export type Webhook = Required<WebhookConfig>

const NAME_CHARS_MAX = 100
const SECRET_BYTES_MIN = 24
const FIELDS = ['name', 'tenant', 'workflows', 'url', 'secret', 'filter']

/** @throws WEFT_USAGE, for the first of them that is none, without its secret */
export function checkWebhooks(values: unknown): readonly Webhook[] {
  if (!Array.isArray(values)) throw invalid('webhooks', 'they are not a list')
  const webhooks = values.map((value, index) => checkWebhook(value, index))
  const keys = webhooks.map(({ name, tenant }) => `${tenant}:${name}`)
  const twice = keys.find((key, index) => keys.indexOf(key) !== index)
  if (twice !== undefined) throw invalid(`webhook ${twice}`, 'there are two of that name')
  return webhooks
}

function checkWebhook(value: unknown, index: number): Webhook {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { name, tenant, workflows = '*', url, secret, filter = {} } = fields
  const which = `webhook ${typeof name === 'string' ? JSON.stringify(name.slice(0, 40)) : index + 1}`
  try {
    const unknown = Object.keys(fields).find(field => !FIELDS.includes(field))
    if (unknown !== undefined) throw new TypeError(`${JSON.stringify(unknown)} is no field of one`)
    if (typeof secret !== 'string' || Buffer.byteLength(secret) < SECRET_BYTES_MIN) {
      throw new TypeError(`its secret is not a text of ${SECRET_BYTES_MIN} bytes or more`)
    }
    if (typeof workflows !== 'string' || !/^[A-Za-z0-9._~*-]{1,128}$/.test(workflows)) {
      throw new TypeError('workflows is not a pattern')
    }
    checkId('tenant', tenant)
    if (checkId('subscription', name).length > NAME_CHARS_MAX) throw new TypeError('its name is too long')
    return {
      name: name as string,
      tenant: tenant as string,
      workflows,
      url: checkTarget(url),
      secret,
      filter: checkFilter(filter),
    }
  } catch (thrown) {
    throw invalid(which, thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function checkTarget(url: unknown): string {
  const target = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  if (target === undefined || !/^https?:$/.test(target.protocol) || target.username || target.password) {
    throw new TypeError('its url is not an http(s) address without credentials')
  }
  return target.href
}

function invalid(which: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_USAGE',
    `${which} cannot be used: ${reason}`,
    'give each a name, a tenant, a url, a secret, and optionally workflows (a pattern) and a filter',
  )
}
