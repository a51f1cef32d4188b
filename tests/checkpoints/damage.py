"""Ways in which a file gets damaged, drawn at random."""

from __future__ import annotations

import random

SECTOR = 512


def damaged(content: bytes, draw: random.Random) -> bytes:
    """A copy with flipped bits, cut, with sectors overwritten or exchanged, or with bytes added or taken away."""
    data = bytearray(content)
    kind = draw.choice(("flip", "flip in the directory", "cut", "sector", "exchange", "insert", "delete", "fields"))
    place = draw.randrange(len(data))
    if kind == "flip":
        for _ in range(draw.choice((1, 1, 1, 8))):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "flip in the directory":  # of the archive, which stands at its end
        data[-1 - draw.randrange(min(len(data), 4 * SECTOR))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "sector":
        data[place : place + SECTOR] = draw.choice((bytes, draw.randbytes))(len(data[place : place + SECTOR]))
    elif kind == "exchange":
        other = draw.randrange(len(data))
        one, two = data[place : place + SECTOR], data[other : other + SECTOR]
        length = min(len(one), len(two))
        data[place : place + length], data[other : other + length] = two[:length], one[:length]
    elif kind == "insert":
        data[place:place] = draw.randbytes(draw.choice((1, 7, SECTOR)))
    elif kind == "delete":
        del data[place : place + draw.choice((1, 7, SECTOR))]
    else:  # compression, encryption, lengths and names of a member of the archive
        signature = draw.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
        starts = [i for i in range(len(data)) if data.startswith(signature, i)] or [place]
        at = min(draw.choice(starts) + 4 + draw.randrange(44), len(data) - 1)
        data[at] = draw.randrange(256)
    return bytes(data)
