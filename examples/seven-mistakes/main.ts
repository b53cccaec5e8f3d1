import { main } from './command.js'
import { MISTAKES } from './mistakes.js'

// So that what is on the disk is removed when somebody loses patience.
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))
// What did not end must not keep the process.
process.exit(await main(MISTAKES))
