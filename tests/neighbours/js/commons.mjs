// A second implementation of docs/spec/frame.md, *Frames*, *The commons* and *Hello*, written from the page alone.
//
// What a peer needs to take part in a commons and to carry: the topic, the hello, a frame's mac. Not to read: no tag keys.
// BLAKE2b with key and person is @noble/hashes, CBOR is cborg; both decode and encode only what the page allows.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { blake2b } from '@noble/hashes/blake2.js'
import { decode, encode } from 'cborg'

export const HELLO_PROTOCOL = '/tertulia/hello/1'
export const LIMIT_HELLO = 128
const HELLO_VERSION = 1
const INITIATOR = 1
const RESPONDER = 2
const SIZE_OF_CLASS = { 1: 1024, 2: 4096, 3: 16384 }

const padded = (label) => {
  const person = new Uint8Array(16)
  person.set(new TextEncoder().encode(label))
  return person
}
const keyed = (label, key, data, dkLen = 32) => blake2b(data, { key, personalization: padded(label), dkLen })
const derive = (label, secret) => keyed(label, secret, new Uint8Array(0))

/** The 32-byte id of a message: BLAKE2b-256 of its data, no label (the substrate's, not a frame's). */
export const contentId = (data) => blake2b(data, { dkLen: 32 })

/** The name of the topic, 64 hex digits. */
export const topicOf = ({ key, generation }, shard = 0) =>
  Buffer.from(keyed('t1 topic', key, encode([generation, shard]))).toString('hex')

/** A frame that a carrier of the commons accepts and nobody can open: tag, nonce and ciphertext are random. */
export function frame ({ key }, sizeClass, now) {
  const size = SIZE_OF_CLASS[sizeClass]
  const minute = (Math.floor(now / 600_000) + 1) * 10
  const bytes = Buffer.concat([Buffer.from([1, sizeClass, 0, 0, 0, 0]), randomBytes(size - 6)])
  bytes.writeUInt32BE(minute, 2)
  const mac = keyed('t1 frame mac', derive('t1 frame mac key', key), bytes.subarray(0, size - 16), 16)
  bytes.set(mac, size - 16)
  return bytes
}

const proof = (key, role, myPeer, theirPeer, myNonce, theirNonce, clock) =>
  keyed('t1 hello', derive('t1 hello key', key),
    encode([HELLO_VERSION, role, myPeer, theirPeer, myNonce, theirNonce, clock]))

function read (data, ...checks) {
  const value = decode(data, { strict: true, allowIndefinite: false })
  const fits = Array.isArray(value) && value.length === checks.length && checks.every((check, at) => check(value[at]))
  if (!fits || Buffer.compare(Buffer.from(encode(value)), Buffer.from(data)) !== 0) throw new Error('not of this shape')
  return value
}
const bytes32 = (value) => value instanceof Uint8Array && value.length === 32
const version = (value) => value === HELLO_VERSION
const clockMs = (value) => Number.isSafeInteger(value) && value >= 0

function require (given, expected) {
  if (!timingSafeEqual(given, expected)) throw new Error('the hello was refused: another commons or key')
}

/** Say hello first. `send` and `receive` move whole messages; peers are 32-byte Ed25519 keys. Returns their clock. */
export async function openHello ({ key }, me, them, { send, receive }) {
  const nonce = randomBytes(32)
  await send(encode([HELLO_VERSION, nonce]))
  const [theirNonce, theirProof, theirClock] = read(await receive(), bytes32, bytes32, clockMs)
  require(theirProof, proof(key, RESPONDER, them, me, theirNonce, nonce, theirClock))
  const clock = Date.now()
  await send(encode([proof(key, INITIATOR, me, them, nonce, theirNonce, clock), clock]))
  return theirClock
}

/** Answer a hello; returns the initiator's clock once it has proved the key. */
export async function takeHello ({ key }, me, them, { send, receive }) {
  const [, theirNonce] = read(await receive(), version, bytes32)
  const nonce = randomBytes(32)
  const clock = Date.now()
  await send(encode([nonce, proof(key, RESPONDER, me, them, nonce, theirNonce, clock), clock]))
  const [theirProof, theirClock] = read(await receive(), bytes32, clockMs)
  require(theirProof, proof(key, INITIATOR, them, me, theirNonce, nonce, theirClock))
  return theirClock
}
