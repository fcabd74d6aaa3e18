// Ten js-libp2p nodes in one process, for the substrate benchmark: the same topology, frames and questions as village.py.
// gossipsub with StrictNoSign and content ids; flood publishing and IDONTWANT off, so that it does the least work it can.
// Bare imports resolve from the folder of the npm set: substrate.py passes this text to `node --input-type=module --eval`.
import { createHash, randomBytes } from 'node:crypto'
import net from 'node:net'
import { createInterface } from 'node:readline'

if (!Promise.withResolvers) {
  Promise.withResolvers = () => {
    let resolve, reject
    const promise = new Promise((a, b) => { resolve = a; reject = b })
    return { promise, resolve, reject }
  }
}
const { createLibp2p } = await import('libp2p')
const { tcp } = await import('@libp2p/tcp')
const { noise } = await import('@libp2p/noise')
const { yamux } = await import('@libp2p/yamux')
const { gossipsub } = await import('@libp2p/gossipsub')
const { identify } = await import('@libp2p/identify')
const { multiaddr } = await import('@multiformats/multiaddr')

const NODES = 10
const TOPIC = 'room'
const SINK = '/bench/sink/1'
const CHUNK = 64 * 1024
const SETTLE_MS = 10_000
const census = { frames: 0, bytes: 0 }

if (process.argv.includes('--wire')) {
  const lines = ['/multistream/1.0.0\n', '/noise\n']
  const write = net.Socket.prototype.write
  net.Socket.prototype.write = function (data, ...rest) {
    if (this.remotePort) {
      const chunk = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      census.bytes += chunk.length
      this.lines ??= [...lines]
      this.held = Buffer.concat([this.held ?? Buffer.alloc(0), chunk])
      while (this.lines.length && this.held.length > this.lines[0].length) {
        this.held = this.held.subarray(this.lines.shift().length + 1)
      }
      while (!this.lines.length && this.held.length >= 2 && this.held.length >= 2 + this.held.readUInt16BE()) {
        this.held = this.held.subarray(2 + this.held.readUInt16BE())
        census.frames += 1
      }
    }
    return write.call(this, data, ...rest)
  }
}

const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6 }
const now = () => performance.now()
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const nodes = []
for (let i = 0; i < NODES; i++) {
  nodes.push(await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        globalSignaturePolicy: 'StrictNoSign',
        msgIdFn: (message) => createHash('sha256').update(message.data).digest(),
        allowPublishToZeroTopicPeers: true,
        floodPublish: false,
        idontwantMinDataSize: 2 ** 30,
        D: 6, Dlo: 4, Dhi: 12, heartbeatInterval: 1000
      })
    }
  }))
}

const meter = { sent: new Map(), arrived: new Map(), taken: [], news: () => {} }
const got = (data) => {
  const key = Buffer.from(data.buffer, data.byteOffset, 8).readBigUInt64BE()
  const sent = meter.sent.get(key)
  if (sent === undefined) return
  meter.taken.push(now() - sent)
  meter.arrived.set(key, meter.arrived.get(key) + 1)
  meter.news()
}
for (const node of nodes) {
  node.services.pubsub.subscribe(TOPIC)
  node.services.pubsub.addEventListener('message', (event) => got(event.detail.data))
}
for (let i = 0; i < NODES; i++) {
  for (const offset of [1, 2, 3]) await nodes[i].dial(nodes[(i + offset) % NODES].getMultiaddrs())
}

const drain = async (stream) => {
  let held = 0
  let left = -1
  let head = Buffer.alloc(0)
  for await (const part of stream) {
    const bytes = part.subarray()
    if (left < 0) {
      head = Buffer.concat([head, bytes])
      if (head.length < 12) continue
      left = Number(head.readBigUInt64BE(4)) * (4 + CHUNK)
      held = head.length - 12
    } else {
      held += bytes.length
    }
    if (held >= left) break
  }
  const done = Buffer.alloc(12)
  done.writeUInt32BE(8)
  stream.send(done)
  await stream.close()
}
await nodes[0].handle(SINK, drain, { maxInboundStreams: 100 })

const send = async (address, megabytes) => {
  const stream = await nodes[1].dialProtocol(multiaddr(address), SINK)
  const count = megabytes * 2 ** 20 / CHUNK
  const head = Buffer.alloc(12)
  head.writeUInt32BE(8)
  head.writeBigUInt64BE(BigInt(count), 4)
  stream.send(head)
  const chunk = Buffer.concat([Buffer.alloc(4), randomBytes(CHUNK)])
  chunk.writeUInt32BE(CHUNK)
  for (let i = 0; i < count; i++) {
    if (!stream.send(chunk)) await stream.onDrain()
  }
  for await (const _ of stream) break
  await stream.close()
}

let number = 0n
const publish = async (size) => {
  number += 1n
  const data = randomBytes(size)
  data.writeBigUInt64BE(number)
  meter.sent.set(number, now())
  meter.arrived.set(number, 0)
  await nodes[Number(number % 10n)].services.pubsub.publish(TOPIC, data)
  return number
}
const news = (ms) => new Promise((resolve) => {
  const timer = setTimeout(() => resolve(false), ms)
  meter.news = () => { clearTimeout(timer); resolve(true) }
})
const measured = async (work) => {
  meter.sent.clear(); meter.arrived.clear(); meter.taken.length = 0
  const before = { ...census }
  const cpu0 = cpu(); const wall0 = now()
  await work()
  const deadline = now() + SETTLE_MS
  while ([...meter.arrived.values()].some((count) => count < NODES - 1) && now() < deadline) await news(1000)
  const answer = { cpu: cpu() - cpu0, wall: (now() - wall0) / 1000 }
  const taken = meter.taken.sort((a, b) => a - b)
  const at = (q) => taken[Math.min(taken.length - 1, Math.floor(q * taken.length))] ?? 0
  return {
    ...answer,
    delivered: [...meter.arrived.values()].reduce((a, b) => a + b, 0),
    expected: meter.arrived.size * (NODES - 1),
    p50: at(0.5), p99: at(0.99),
    counts: { frames: census.frames - before.frames, bytes: census.bytes - before.bytes }
  }
}
const paced = (ask) => measured(async () => {
  const began = now()
  for (let i = 0; i < ask.count; i++) {
    const wait = began + i * 1000 / ask.rate - now()
    if (wait > 0) await sleep(wait)
    await publish(ask.size)
  }
})
const full = (ask) => measured(async () => {
  const until = now() + ask.seconds * 1000
  let underWay = []
  while (now() < until) {
    underWay = underWay.filter((key) => meter.arrived.get(key) < NODES - 1)
    if (underWay.length < ask.window) underWay.push(await publish(ask.size))
    else if (!await news(SETTLE_MS)) underWay = []
  }
})

await sleep(4000)
console.log(JSON.stringify({ ready: true, sink: nodes[0].getMultiaddrs()[0].toString() }))
for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line)
  let answer
  if (ask.do === 'paced') answer = await paced(ask)
  else if (ask.do === 'full') answer = await full(ask)
  else if (ask.do === 'cpu') answer = { cpu: cpu() }
  else if (ask.do === 'send') {
    const cpu0 = cpu(); const wall0 = now()
    await send(ask.to, ask.megabytes)
    answer = { cpu: cpu() - cpu0, wall: (now() - wall0) / 1000 }
  } else throw new Error('unknown command ' + ask.do)
  console.log(JSON.stringify(answer))
}
process.exit(0)
