/** The end of the year 9999, ms since 1970 UTC: the last moment that ISO 8601 says with four digits of a year. */
export const TIME_MS_MAX = 253_402_300_799_999
