"""Breaks a text into lines that fit a number of terminal cells.

research/tui.md §3. Plain ASCII is cut by counting characters; anything else is measured in cells, so that a wide
character or an emoji never crosses the edge. Words longer than a line are cut; every line ending of the text stays one.
"""

from rich.cells import cell_len, get_character_cell_size


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells (at least 2, or one wide character could not be shown)."""
    width = max(width, 2)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if paragraph.isascii():
            _wrap_ascii(paragraph, width, lines)
        elif cell_len(paragraph) <= width:
            lines.append(paragraph)
        else:
            _wrap_cells(paragraph, width, lines)
    return lines


def _wrap_ascii(text: str, width: int, lines: list[str]) -> None:
    start, end = 0, len(text)
    while end - start > width:
        space = text.rfind(" ", start, start + width + 1)
        if space <= start:
            lines.append(text[start : start + width])
            start += width
        else:
            lines.append(text[start:space])
            start = space + 1
    lines.append(text[start:])


def _wrap_cells(text: str, width: int, lines: list[str]) -> None:
    line, used = "", 0
    for word in text.split(" "):
        size = cell_len(word)
        if line and used + 1 + size <= width:
            line, used = f"{line} {word}", used + 1 + size
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, width)
        lines.extend(full)
        used = cell_len(line)
    lines.append(line)


def _pieces(word: str, width: int) -> list[str]:
    """A word cut into pieces of at most `width` cells, joiners and marks left with what they follow."""
    if cell_len(word) <= width:
        return [word]
    pieces, piece, used = [], "", 0
    for character in word:
        size = get_character_cell_size(character)
        if used + size > width:
            pieces.append(piece)
            piece, used = "", 0
        piece += character
        used += size
    return [*pieces, piece]
