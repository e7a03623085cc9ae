// The probe: what pods of the images `weft.dev/probe` and agnhost run. Only built-in modules of Node, and of those only
// what the subcommand needs: it starts in every pod.
const [subcommand, ...args] = process.argv.slice(2)

switch (subcommand) {
  case 'netexec': {
    const { netexec } = await import('./netexec.ts')
    await netexec(args)
    break
  }
  case 'serve-hostname': {
    const { serveHostname } = await import('./serve-hostname.ts')
    await serveHostname(args)
    break
  }
  case 'connect': {
    const { connect } = await import('./connect.ts')
    process.exit(await connect(args))
    break
  }
  case 'ask': {
    const { ask } = await import('./ask.ts')
    process.exit(await ask(args))
    break
  }
  case 'pause':
  case undefined: {
    process.on('SIGTERM', () => process.exit(0)).on('SIGINT', () => process.exit(0))
    setInterval(() => undefined, 2 ** 30)
    break
  }
  default:
    process.stderr.write(`Cannot run "${subcommand}": the probe knows netexec, serve-hostname, connect, ask and pause\n`)
    process.exit(2)
}
