export const DEFAULT_AUDIENCE = 'weft'
export const DEFAULT_PORT = 7600
