// The other side of a reconciliation: the Negentropy of @nostr-dev-kit/sync, on stdin and stdout, a JSON object a line.
//
//   {"items": [[minute, id], …], "frame": bytes}   a new set, and no role yet    → {"held": number}
//   {"initiate": true}                             become the initiator          → {"message": hex}
//   {"message": hex}                               take the other side's message → {"message": hex | null, "have": […], "need": […]}
//
// What fails is answered with {"error": text}. Ids are hex. The package also wants a whole Nostr client beside it, for
// the parts that are not used here; it gets a name for each thing that it imports from there, and nothing behind it.
import { registerHooks } from 'node:module'
import { createInterface } from 'node:readline'

const CLIENT = '@nostr-dev-kit/ndk'
const NAMES = ['NDKRelaySet', 'NDKSubscriptionCacheUsage', 'fetchRelayInformation']
const NOTHING = 'data:text/javascript,' + NAMES.map((name) => `export const ${name} = undefined;`).join('')
registerHooks({
  resolve: (specifier, context, next) => (specifier === CLIENT ? { url: NOTHING, shortCircuit: true } : next(specifier, context)),
})
const { Negentropy, NegentropyStorage, hexToUint8Array, uint8ArrayToHex } = await import('@nostr-dev-kit/sync')

let side

const commands = {
  items({ items, frame }) {
    const storage = new NegentropyStorage()
    for (const [minute, id] of items) storage.insert(minute, id)
    storage.seal()
    side = new Negentropy(storage, frame)
    return { held: items.length }
  },
  async initiate() {
    return { message: uint8ArrayToHex(await side.initiate()) }
  },
  async message({ message }) {
    const { nextMessage, have, need } = await side.reconcile(hexToUint8Array(message))
    const next = nextMessage === undefined ? null : uint8ArrayToHex(nextMessage)
    return { message: next, have: have.map(uint8ArrayToHex), need: need.map(uint8ArrayToHex) }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const said = JSON.parse(line)
    const command = Object.keys(commands).find((name) => name in said)
    answer = await commands[command](said)
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
