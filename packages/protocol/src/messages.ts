import { LIMITS } from '@weft/core'
import { bool, bytes, type FieldType, hashes, list, orNull, text, uint } from './fields.js'

/** Versions of the wire that this build speaks, best first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1]

export const WIRE_LIMITS = {
  /** A frame; a change and its envelope always fit. */
  frame_bytes_max: 1_048_576,
  changes_per_frame_max: 4_096,
  channels_max: 4_096,
  /** Heads of a context that are told; one with more says only some. */
  heads_max: LIMITS.deps_max * 4,
  /** Changes a replica may have sent without an answer, per connection. */
  push_bytes_max: 4_194_304,
  /** Log a peer may have sent without a `seen`, per channel; the last change may reach beyond. */
  log_bytes_max: 1_048_576,
  token_chars_max: 8_192,
  /** How a replica calls itself, and codes. */
  label_chars_max: 256,
  /** Preconditions of one change: branches, and refs. */
  branches_max: 16,
  unmoved_max: 256,
  /** Workers that are named where a barrier is not reached. */
  holders_max: 64,
} as const

const channel = uint
const label = text(WIRE_LIMITS.label_chars_max)
const reason = text(1_024)
const change = bytes(LIMITS.change_bytes_max)

/**
 * All messages: a frame is the CBOR array of the type and then the fields in this order. See PROTOCOL.md.
 * Types below 16 go from replica to peer, the others from peer to replica.
 */
export const MESSAGES = {
  /** Opens the conversation. */
  hello: {
    type: 1,
    fields: { versions: list(uint, 16), token: text(WIRE_LIMITS.token_chars_max), client: label },
  },
  /** Subscribes to a context from after a position on; `last` is the id of the change there, empty at 0. */
  open: { type: 2, fields: { channel, workflow: text(128), after: uint, last: hashes(1) } },
  /** Offers changes, deps first. */
  push: { type: 3, fields: { channel, changes: list(change, WIRE_LIMITS.changes_per_frame_max) } },
  /** The log up to here has been taken in: the peer may send on. */
  seen: { type: 4, fields: { channel, position: uint } },
  /** Asks for a session token: proof that the log of an open context reaches to a position. */
  attest: { type: 6, fields: { request: uint, workflow: text(128), position: uint } },
  /** Asks whether a session token is genuine, and of this workflow. */
  present: {
    type: 7,
    fields: { request: uint, workflow: text(128), token: text(WIRE_LIMITS.token_chars_max) },
  },
  /**
   * Offers one new change, to be taken only if each branch has exactly its heads and no ref has been written outside of
   * the change's past: decided at once, in the order of the log.
   */
  propose: {
    type: 8,
    fields: {
      channel,
      change,
      branches: list(text(128), WIRE_LIMITS.branches_max),
      heads: list(hashes(LIMITS.deps_max), WIRE_LIMITS.branches_max),
      unmoved: list(text(LIMITS.ref_chars_max), WIRE_LIMITS.unmoved_max),
    },
  },
  /** The holder of a lease is alive. */
  renew: {
    type: 9,
    fields: { request: uint, workflow: text(128), on: text(LIMITS.ref_chars_max), epoch: uint },
  },
  /** Asks whether all of the tenant's overlays is known here: the log up to a position, and the change there. */
  confirm: { type: 10, fields: { request: uint, position: uint, last: hashes(1) } },
  /** Asks to be told when nobody can begin a step without knowing the log of overlays up to a position. */
  barrier: { type: 11, fields: { request: uint, position: uint, timeout_ms: uint } },
  /** Ends a subscription. */
  shut: { type: 5, fields: { channel } },

  welcome: {
    type: 16,
    fields: {
      version: uint,
      tenant: text(128),
      scopes: list(text(16), 8),
      push_bytes_max: uint,
      frame_bytes_max: uint,
    },
  },
  /** `known` is false when the log does not hold `last` at `after`: it is sent from the beginning then. */
  opened: { type: 17, fields: { channel, count: uint, heads: hashes(WIRE_LIMITS.heads_max), known: bool } },
  /**
   * The log from a position on, without gaps: changes, or 32 bytes for one that came over this very connection. Such
   * an id also says that the change is committed.
   */
  log: { type: 18, fields: { channel, from: uint, items: list(change, WIRE_LIMITS.changes_per_frame_max) } },
  /** These changes are on disk, fsynced, at these positions. */
  ack: {
    type: 19,
    fields: {
      channel,
      ids: hashes(WIRE_LIMITS.changes_per_frame_max),
      positions: list(uint, WIRE_LIMITS.changes_per_frame_max),
    },
  },
  /** This change was not taken and changed nothing; `id` is empty if the change could not be read. */
  refuse: {
    type: 20,
    fields: {
      channel,
      id: hashes(1),
      code: label,
      message: reason,
      cure: reason,
      details: orNull(text(8_192)),
    },
  },
  /** A channel (or, with null, the connection) cannot go on. */
  fail: { type: 21, fields: { channel: orNull(channel), code: label, message: reason, cure: reason } },
  /** The answer to attest, with a token, or to present, without: up to where the log is, or has to be, known. */
  attested: { type: 22, fields: { request: uint, position: uint, token: text(WIRE_LIMITS.token_chars_max) } },
  /** The lease runs so long from now on, if it is not renewed again. */
  renewed: { type: 24, fields: { request: uint, ttl_ms: uint } },
  /**
   * The log of overlays ends at a position; whoever knows it may rely on that from when it asked for so long. 0: the
   * asker knows less.
   */
  current: { type: 25, fields: { request: uint, position: uint, ttl_ms: uint } },
  /** Who may still begin a step without knowing, and for how long at most: nobody, unless the time was up. */
  barred: {
    type: 26,
    fields: { request: uint, holders: list(label, WIRE_LIMITS.holders_max), left_ms: uint },
  },
  denied: { type: 23, fields: { request: uint, code: label, message: reason, cure: reason } },
} as const

export type MessageName = keyof typeof MESSAGES
export type Fields<Name extends MessageName> = {
  -readonly [Key in keyof (typeof MESSAGES)[Name]['fields']]: FieldType<
    (typeof MESSAGES)[Name]['fields'][Key]
  >
}
/** A message of either side, told apart by `name`. */
export type Message = { [Name in MessageName]: { readonly name: Name } & Fields<Name> }[MessageName]

const REPLICA_TYPES_END = 16

export function isFromReplica(name: MessageName): boolean {
  return MESSAGES[name].type < REPLICA_TYPES_END
}
