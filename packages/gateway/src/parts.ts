/** What a program needs of a gateway that has it in a thread, or none at all: whoever takes only this does not load the API. */
export { DEFAULT_GATEWAY_PORT } from './defaults.js'
export { GatewayThread, type GatewayThreadOptions } from './gateway-thread.js'
export { contextOf, NO_SCHEMAS, readSchemas, type Schemas } from './schemas.js'
