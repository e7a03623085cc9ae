// Connects, reads to the end, says so, and keeps its own half of the connection open. Arguments: address, port.
import { connect } from 'node:net'

const [host, port] = process.argv.slice(2)

connect({ host, port: Number(port), allowHalfOpen: true }).on('end', () => process.stdout.write('ended\n')).resume()
setInterval(() => undefined, 60_000)
