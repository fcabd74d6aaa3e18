"""An invite as a QR code made of half blocks: two rows of modules in one row of cells.

PROTOCOL §4, research/tui.md §4. Upper-case base32 uses the QR's alphanumeric mode, so that 194 characters need 41
modules. Light modules are drawn as blocks in the foreground, on a dark ground: whoever draws it forces white on black.
"""

import segno

QUIET = 2
"""Light modules around the code. The standard asks for 4; phones read 2 on a dark screen, and it fits 80x24."""


def qr_lines(text: str) -> list[str]:
    """The code's rows of cells, all equally wide; every cell is one of ` ▀▄█`, light modules being ink."""
    code = segno.make(text, error="l", micro=False, boost_error=False)
    rows = [[not dark for dark in row] for row in code.matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    return [
        "".join(_CELL[top, bottom] for top, bottom in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]


_CELL = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
