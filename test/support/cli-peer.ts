import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Peer, signToken, startPeer, type TokenRequest } from '@weft/peer'
import { connect } from '@weft/replica'
import { openLevelStore } from '@weft/store-level'
import { Run } from './run-definition.mjs'

export { Run }

export const SECRET = 'a secret that is long enough for tests'

/** A peer in this process, in a directory of its own, to run commands against. */
export class CliPeer {
  private constructor(
    readonly folder: string,
    readonly peer: Peer,
  ) {}

  /** @param folder of an earlier peer, to start on what it left */
  static async start(folder?: string): Promise<CliPeer> {
    folder ??= await mkdtemp(join(tmpdir(), 'weft-cli-'))
    const openStore = () => openLevelStore(join(folder, 'data'))
    return new CliPeer(
      folder,
      await startPeer({ openStore, key: { kind: 'secret', secret: SECRET }, port: 0 }),
    )
  }

  get data(): string {
    return join(this.folder, 'data')
  }

  token(request: Partial<TokenRequest> = {}, secret = SECRET): Promise<string> {
    return signToken(secret, { tenant: 'acme', scopes: ['read', 'write'], lifetime: 600, ...request })
  }

  /** The environment of a command that may do all that the token says. */
  async env(request: Partial<TokenRequest> = {}): Promise<Record<string, string>> {
    return { WEFT_URL: this.peer.url, WEFT_TOKEN: await this.token(request) }
  }

  /**
   * Writes a run of 12 changes: the initial state, a message, a fork of two branches that edit one key at once with a
   * message each, their merge, a last message.
   */
  async seed(
    workflow: string,
    { lastWords = 'done', ...request }: Partial<TokenRequest> & { readonly lastWords?: string } = {},
  ): Promise<string> {
    const replica = await connect({ url: this.peer.url, token: await this.token(request) })
    const context = await replica.open(Run, { workflow, agent: 'planner' })
    context.append('message', { text: 'begin' })
    await context.fanOut(['left', 'right'], branch => {
      branch.append('message', { text: `${branch.branch} speaks` })
      branch.append('message', { text: `${branch.branch} speaks again` })
      branch.change(state => {
        state.format = branch.branch
      })
    })
    context.append('message', { text: lastWords })
    context.change(state => void state.plan.push('rest'))
    const digest = context.digest()
    await replica.close()
    return digest
  }

  /** The digest that a replica of this peer computes. */
  async digest(workflow: string, request: Partial<TokenRequest> = {}): Promise<string> {
    const replica = await connect({ url: this.peer.url, token: await this.token(request) })
    try {
      return (await replica.open(Run, { workflow, agent: 'reader' })).digest()
    } finally {
      await replica.close({ discard: true })
    }
  }

  async stop(): Promise<void> {
    await this.peer.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}
