// Streams of messages as node/substrate cuts them: four bytes of length, big endian, then the message.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { byteStream } from '@libp2p/utils'

export const ECHO_PROTOCOL = '/tertulia-test/echo/1'
export const SINK_PROTOCOL = '/tertulia-test/sink/1'
const LIMIT_MESSAGE = 4 * 1024 * 1024
const CHUNK = 64 * 1024
const PATIENCE_MS = 20_000

/** `send` and `receive` whole messages of at most `limit` bytes on a stream. */
export function messages (stream, limit = LIMIT_MESSAGE) {
  const bytes = byteStream(stream, { maxBufferSize: 2 * LIMIT_MESSAGE })
  const exactly = async (count) => (await bytes.read({ bytes: count, signal: AbortSignal.timeout(PATIENCE_MS) })).subarray()
  return {
    async send (message) {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(message.length)
      await bytes.write(Buffer.concat([length, message]), { signal: AbortSignal.timeout(PATIENCE_MS) })
    },
    async receive () {
      const length = Buffer.from(await exactly(4)).readUInt32BE()
      if (length > limit) throw new Error(`a message of ${length} bytes where ${limit} were agreed`)
      return length === 0 ? new Uint8Array(0) : await exactly(length)
    }
  }
}

/** Send back every message until the other side ends the stream. */
export async function serveEcho (stream) {
  const { send, receive } = messages(stream)
  try {
    while (true) await send(await receive())
  } catch (error) {
    if (stream.status === 'open') await stream.close()
  }
}

/** Send `size` random bytes as one message; whether the same come back. */
export async function echo (stream, size) {
  const { send, receive } = messages(stream)
  const message = randomBytes(size)
  await send(message)
  const back = await receive()
  await stream.close()
  return Buffer.compare(message, back) === 0
}

/** Read a stream to its end; how many bytes came, and their SHA-256. */
export async function drain (stream) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    for (const piece of chunk instanceof Uint8Array ? [chunk] : chunk) hash.update(piece)
    bytes += chunk.byteLength
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** Write `bytes` zeros as fast as the other side takes them, then end; resolves when it has read them all. */
export async function pour (stream, bytes) {
  const chunk = new Uint8Array(CHUNK)
  for (let left = bytes; left > 0; left -= CHUNK) {
    if (!stream.send(left < CHUNK ? chunk.subarray(0, left) : chunk)) await once(stream, 'drain')
  }
  await stream.close()
}
