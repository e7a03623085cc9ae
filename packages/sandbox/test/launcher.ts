// Starts a sandbox and goes, as `weft up` does.
import { startSandbox } from '../src/host/start.ts'
import { standInNetwork } from './stand-in-network.ts'

const folder = process.argv[2]!
await startSandbox({ stateDir: `${folder}/state`, nodes: 2, cni: standInNetwork(`${folder}/cni`, 2), onProgress: (message) => process.stdout.write(`${message}\n`) })
