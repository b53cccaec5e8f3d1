import { startGateway } from '@weft/gateway'
import { found, obey } from './own-memory.mjs'

/* A gateway that looks for secrets in its memory. */

const gateway = await startGateway({ url: process.env.URL, port: 0 })
obey({ found, url: () => gateway.url })
