// A thread that kills its process while another is in the kernel. Its cells: 1 when it waits, 2 to begin; after how many microseconds.
import { workerData } from 'node:worker_threads'

const cells = workerData as Int32Array
Atomics.store(cells, 0, 1)
Atomics.notify(cells, 0)
Atomics.wait(cells, 0, 1)
const end = performance.now() + cells[1]! / 1000
while (performance.now() < end);
process.kill(process.pid, 'SIGKILL')
