import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ImageError } from './image-error.ts'

const run = promisify(execFile)

/** Runs a program of this machine to its end and gives what it printed. */
export async function runTool(program: string, args: readonly string[], options: { readonly cwd?: string, readonly env?: NodeJS.ProcessEnv } = {}): Promise<Buffer> {
  try {
    const { stdout } = await run(program, args, { ...options, encoding: 'buffer', maxBuffer: 1 << 30 })
    return stdout
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw new ImageError('ERR_IMAGE_FETCH', `Cannot run "${program}": it is not installed on this machine`, { cause: error })
    throw error
  }
}
