export type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> }

/** What is absent, and not there as undefined. */
export function definedOf<T extends object>(options: T): Defined<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<T>
}
