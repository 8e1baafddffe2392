// Ports for programs that are started by tests and by the bench, which cannot be asked which one they got.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** One that nobody listened at a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** Whether somebody listens there. */
export async function answers(port: number, address = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, address)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
