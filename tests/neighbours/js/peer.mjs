// One js-libp2p node, driven by JSON lines: a command on each line of stdin, its answer on a line of stdout.
//
//   {"id": 1, "do": "dial", "address": "/ip4/…"}  →  {"id": 1, "result": …}  or  {"id": 1, "error": "…"}
//   and at any time {"event": "message" | "hello" | "stream", …}. The node ends when stdin does.
// Started with one argument, JSON: {listen, gossip, signed, relay, circuit, crowded, key}.

import { createInterface } from 'node:readline'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { HELLO_PROTOCOL, LIMIT_HELLO, contentId, frame, openHello, takeHello, topicOf } from './commons.mjs'
import { Counts } from './counts.mjs'
import { ECHO_PROTOCOL, SINK_PROTOCOL, drain, echo, messages, pour, serveEcho } from './streams.mjs'

const options = JSON.parse(process.argv[2] ?? '{}')
const limited = { runOnLimitedConnection: true }
const counts = new Counts()
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

const node = await createLibp2p({
  privateKey: await generateKeyPair(options.key ?? 'Ed25519'),
  addresses: { listen: [...(options.listen ? ['/ip4/127.0.0.1/tcp/0'] : []), ...(options.circuit ? ['/p2p-circuit'] : [])] },
  transports: [tcp(), ...(options.circuit ? [circuitRelayTransport()] : [])],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false }, // js refuses loopback unless told otherwise
  // js refuses the sixth connection a second from one address; here everyone has the same one.
  connectionManager: { ...(options.crowded ? {} : { inboundConnectionThreshold: Infinity }), reconnectRetries: 0 },
  // js pings each connection every 10 s; a ping of ours or a close in that moment makes one of the two fail, in js alone.
  connectionMonitor: { enabled: false },
  services: {
    identify: identify(limited),
    ping: ping(limited),
    ...(options.relay ? { relay: circuitRelayServer({ reservations: { applyDefaultLimit: false } }) } : {}),
    ...(options.gossip
      ? {
          gossip: gossipsub({
            globalSignaturePolicy: options.signed ? 'StrictSign' : 'StrictNoSign',
            allowPublishToZeroTopicPeers: true,
            msgIdFn: (message) => contentId(message.data),
            metricsRegister: counts,
            metricsTopicStrToLabel: new Map(),
            ...limited
          })
        }
      : {})
  }
})

const connectionTo = (peer) => {
  const connection = node.getConnections().find((one) => one.remotePeer.toString() === peer)
  if (connection === undefined) throw new Error('not connected')
  return connection
}
const open = (peer, protocol) => connectionTo(peer).newStream(protocol, limited)
const keyOf = (peerId) => peerId.publicKey.raw
const commonsOf = ({ key, generation }) => ({ key: Buffer.from(key, 'hex'), generation })

await node.handle(ECHO_PROTOCOL, serveEcho, { ...limited, maxInboundStreams: 256 })
await node.handle(SINK_PROTOCOL, async (stream) => say({ event: 'drained', ...await drain(stream) }), limited)
node.addEventListener('peer:connect', ({ detail }) => say({ event: 'up', peer: detail.toString() }))
node.addEventListener('peer:disconnect', ({ detail }) => say({ event: 'down', peer: detail.toString() }))
node.services.gossip?.addEventListener('message', ({ detail }) =>
  say({ event: 'message', type: detail.type, topic: detail.topic, data: Buffer.from(detail.data).toString('hex') }))
node.services.gossip?.addEventListener('subscription-change', ({ detail: { peerId, subscriptions } }) =>
  say({ event: 'subscriptions', peer: peerId.toString(), topics: subscriptions.map(({ topic }) => topic) }))

const commands = {
  about: () => ({ peer: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) }),

  async dial ({ address }) {
    const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(15_000) })
    const { encryption, multiplexer, limits } = connection
    return { peer: connection.remotePeer.toString(), encryption, multiplexer, limited: limits != null }
  },
  hangup: ({ peer }) => connectionTo(peer).close(),

  /** Dial and close again and again, without a pause; what failed. */
  async redial ({ address, times, ping }) {
    const failures = []
    for (let turn = 0; turn < times; turn++) {
      try {
        const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(15_000) })
        if (ping) await node.services.ping.ping(connection.remotePeer, { signal: AbortSignal.timeout(30_000) })
        await connection.close()
      } catch (error) {
        failures.push(`${turn}: ${error.name}: ${error.message}`)
      }
    }
    return failures
  },

  ping: ({ peer }) => node.services.ping.ping(connectionTo(peer).remotePeer, { signal: AbortSignal.timeout(30_000) }),
  async identify ({ peer }) {
    const told = await node.services.identify.identify(connectionTo(peer))
    return {
      agent: told.agentVersion ?? '',
      version: told.protocolVersion ?? '',
      addresses: told.listenAddrs.map(String),
      record: told.signedPeerRecord !== undefined,
      protocols: told.protocols
    }
  },
  echo: async ({ peer, size }) => echo(await open(peer, ECHO_PROTOCOL), size),
  async pour ({ peer, bytes }) {
    await pour(await open(peer, SINK_PROTOCOL), bytes)
  },
  /** Write bytes on a new stream and leave it open. */
  async raw ({ peer, protocol, data }) {
    (await open(peer, protocol)).send(Buffer.from(data, 'hex'))
  },
  /** User and system time of this process so far, in seconds. */
  cpu () {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  },

  topic: ({ shard, ...commons }) => topicOf(commonsOf(commons), shard),
  frame: ({ sizeClass, ...commons }) => frame(commonsOf(commons), sizeClass, Date.now()).toString('hex'),
  subscribe: ({ topic }) => node.services.gossip.subscribe(topic),
  async publish ({ topic, data }) {
    const { recipients } = await node.services.gossip.publish(topic, Buffer.from(data, 'hex'))
    return recipients.length
  },
  subscribers: ({ topic }) => node.services.gossip.getSubscribers(topic).map(String),
  mesh: ({ topic }) => node.services.gossip.getMeshPeers(topic),
  losses: () => counts.losses(),
  total: ({ name }) => counts.total(name),

  async hello ({ peer, ...commons }) {
    const stream = await open(peer, HELLO_PROTOCOL)
    const them = keyOf(connectionTo(peer).remotePeer)
    try {
      const clock = await openHello(commonsOf(commons), keyOf(node.peerId), them, messages(stream, LIMIT_HELLO))
      await stream.close()
      return clock
    } catch (error) {
      stream.abort(error)
      throw error
    }
  },
  serveHello: (commons) => node.handle(HELLO_PROTOCOL, async (stream, { remotePeer }) => {
    try {
      const clock = await takeHello(commonsOf(commons), keyOf(node.peerId), keyOf(remotePeer), messages(stream, LIMIT_HELLO))
      await stream.close()
      say({ event: 'hello', peer: remotePeer.toString(), clock })
    } catch (error) {
      stream.abort(error)
      say({ event: 'hello', peer: remotePeer.toString(), error: error.message })
    }
  })
}

say({ event: 'ready', ...commands.about() })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: name, ...rest } = JSON.parse(line)
  Promise.resolve().then(() => commands[name](rest)).then(
    (result) => say({ id, result: result ?? null }),
    (error) => say({ id, error: `${error.name}: ${error.message}` })
  )
}
await node.stop()
process.exit()
