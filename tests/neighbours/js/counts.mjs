// A registry for gossipsub's metrics that only adds up: enough to see whether js dropped or refused anything.

/** What js counts when a message, an RPC or a stream was lost or refused. */
const LOSSES = [
  'gossipsub_rejected_messages_total', 'gossipsub_ignored_messages_total', 'gossipsub_msg_received_error_total',
  'gossipsub_pre_validation_invalid_total', 'gossipsub_msg_received_invalid_total', 'gossipsub_rpc_data_err_count_total',
  'gossipsub_rpc_recv_err_count_total', 'gossipsub_rpc_rcv_not_accepted_total', 'gossipsub_peer_read_stream_err_count_total'
]

export class Counts {
  #totals = new Map()

  gauge = ({ name }) => this.#metric(name)
  histogram = ({ name }) => this.#metric(name)
  avgMinMax = ({ name }) => this.#metric(name)

  #metric (name) {
    this.#totals.set(name, 0)
    const add = (labels, value) => {
      const amount = typeof labels === 'number' ? labels : value ?? 1
      this.#totals.set(name, this.#totals.get(name) + amount)
    }
    const nothing = () => {}
    return { inc: add, set: nothing, observe: nothing, reset: nothing, addCollect: nothing, startTimer: () => nothing }
  }

  total (name) {
    if (!this.#totals.has(name)) throw new Error(`gossipsub has no metric ${name}`)
    return this.#totals.get(name)
  }

  losses () {
    return Object.fromEntries(LOSSES.map((name) => [name, this.total(name)]).filter(([, count]) => count > 0))
  }
}
