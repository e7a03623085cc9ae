import { spawn } from 'node:child_process'
import { interactiveCommand, SandboxClient, type Target } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

/** Runs a command at a place of the cluster with our own standard streams; resolves to its exit code. */
export async function runAt(target: Target, command: readonly string[]): Promise<number> {
  // A terminal does not travel over the control socket, so with one the command is entered from here.
  return process.stdin.isTTY && process.stdout.isTTY ? await runInTerminal(target, command) : await runOverSocket(target, command)
}

async function runInTerminal(target: Target, words: readonly string[]): Promise<number> {
  const { command: [file, ...args], environment } = await interactiveCommand(sandboxDir, target, words)
  const child = spawn(file!, args, { stdio: 'inherit', env: { ...environment, TERM: process.env['TERM'] ?? 'dumb' } })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

async function runOverSocket(target: Target, command: readonly string[]): Promise<number> {
  const { code } = await new SandboxClient(sandboxDir).run(target, command, {
    // The command starts at once and reads while we do: an open pipe is no reason to wait.
    stdin: process.stdin.isTTY ? '' : process.stdin,
    onStdout: (data) => process.stdout.write(data),
    onStderr: (data) => process.stderr.write(data),
  })
  // Input that nobody reads any more must not keep us waiting.
  process.stdin.destroy()
  return code
}
