"""What the network can refuse, as types; the docstring of each is the sentence a person may read.

DESIGN.md §2 (substrate), STYLE.md habit 3. Invariant: nothing else leaves `tertulia.node.substrate` because of a peer
or of the network; a message never holds an address, a key or a payload.
"""

from tertulia.node.substrate.relay_reasons import RelayRefusal


class SubstrateError(Exception):
    """The network could not do what was asked; nothing was sent and nothing kept was lost."""

    def __init__(self, message: str = "", *, refusal: RelayRefusal | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal
        """What a relay answered, when it was a relay that said no."""


class ListenFailed(SubstrateError):
    """This machine could not listen on that address: the port may be taken. Choose another port."""


class DialFailed(SubstrateError):
    """None of the peer's addresses answered as that peer. Nothing was sent; it is safe to try again."""


class StreamFailed(SubstrateError):
    """The conversation with that peer broke off. What was not acknowledged must be sent again."""


class MessageTooLong(StreamFailed):
    """A peer announced a message longer than agreed; the stream was reset before a byte of it was kept."""
