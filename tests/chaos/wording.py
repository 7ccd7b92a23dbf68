"""What the answer to a token must be: callers and providers know it, the gateway does not.

A token ends in `-<kind>`: u and b want one answer (b a large one), s and l an event stream (l a
long one), e a refusal of the provider's, f its failure. """

import hashlib

PIECE_PAUSE_S = {"s": 0.008, "l": 0.06}
PIECES_OF_A_LARGE_ONE = 3000


def _digits(token):
    return hashlib.sha256(token.encode()).hexdigest()


def kind_of(token):
    return token.rsplit("-", 1)[1]


def is_stream(token):
    return kind_of(token) in "sl"


def pieces(token):
    """The parts of its text, in order; no two tokens have one in common."""
    digits = _digits(token)
    count = {"b": PIECES_OF_A_LARGE_ONE, "l": 20}.get(kind_of(token), 4 + int(digits[:2], 16) % 12)
    return [f"{digits[:12]}.{index} " for index in range(count)]


def use(token):
    """(tokens of the prompt, tokens of the answer) that the provider reports."""
    return 1 + int(_digits(token)[2:5], 16), len(pieces(token))
