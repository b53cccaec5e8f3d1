/** Hard bounds of the model. A change beyond any of them is refused at every door. */
export const LIMITS = {
  change_bytes_max: 1_000_000,
  header_bytes_max: 65_536,
  deps_max: 1_024,
  entries_per_change_max: 4_096,
  /** Of a branch before its peer joins them: so a writer can name them all, and a merge those of two such branches, twice. */
  branch_heads_max: 480,
  /** Of a context, all its branches together. */
  context_heads_max: 4_096,
  refs_per_change_max: 4_096,
  ref_chars_max: 1_024,
  label_chars_max: 1_024,
  /** That begin at a change, or are abandoned by it. */
  branches_per_change_max: 1_024,
  reverts_per_change_max: 1_536,
  erases_per_change_max: 1_024,
  leases_per_change_max: 16,
  /** Windows that one step may make, and kinds or entries that one of them may name. */
  windows_per_change_max: 32,
  window_names_max: 256,
  /** Values in each list of a filter. */
  filter_values_max: 64,
  /** Of a tenant: every step names them all. */
  overlays_max: 64,
  value_depth_max: 64,
  /** Of a state change: about one for each value it writes, and for each that it overwrites. */
  state_ops_per_change_max: 65_536,
  /** The keys of a state change, each as often as it is written: a repeated key takes no room in the change. */
  state_key_bytes_per_change_max: 8_388_608,
  /** Changes that wait for a dep, per context. */
  waiting_changes_max: 10_000,
  waiting_bytes_max: 16_777_216,
} as const
