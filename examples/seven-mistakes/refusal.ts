import { WeftError } from '@weft/replica'

/** The code that `work` was refused with; null when it was not. @throws what is no refusal */
export async function refusalOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work
    return null
  } catch (error) {
    if (error instanceof WeftError) return error.code
    throw error
  }
}
