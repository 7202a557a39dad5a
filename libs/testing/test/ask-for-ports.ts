// A process of its own that starts to look where the others do, and lives until it is let go.
Math.random = () => 0.5
const { freePorts } = await import('../src/free-ports.ts')
process.on('message', async (count) => process.send?.(await freePorts(Number(count))))
