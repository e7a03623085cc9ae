import { argv, env, exit, stderr, stdin, stdout } from 'node:process'
import { readShimSettings } from './shim-settings.ts'
import { runShimTwin } from './shim-twin.ts'

// Started by the wrapper that installPlugin writes: `node shim-twin-main.ts <plugin>.conf`.
const output = await runShimTwin({ environment: env, stdin, settings: readShimSettings(argv[2] ?? '') })
stderr.write(output.stderr)
stdout.write(output.stdout, () => exit(output.exitCode))
