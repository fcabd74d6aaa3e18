"""The one theme: warm ink on a quiet ground, high contrast, no animation.

research/tui.md §7, accessibility: every colour stands beside a word, so NO_COLOR loses nothing. The ratios of text to
ground are at least 7:1 for what is read and 4.5:1 for what stands aside; a test computes them.
"""

from textual.theme import Theme

GROUND, SIDE, RAISED = "#14171a", "#191d21", "#21262b"
INK, QUIET = "#e4e0d7", "#9aa0a3"
ACCENT, OWN = "#e3b778", "#a9c7a1"
NAMES = ("#e3b778", "#9fc3d6", "#c9b3dd", "#a9c7a1", "#e0a899", "#d3cc8f")

TERTULIA = Theme(
    name="tertulia",
    primary=ACCENT,
    secondary="#9fc3d6",
    accent=ACCENT,
    success=OWN,
    warning="#e6a85c",
    error="#f0907f",
    foreground=INK,
    background=GROUND,
    surface=SIDE,
    panel=RAISED,
    dark=True,
    text_alpha=1.0,
    variables={
        "text-muted": QUIET,
        "quiet": QUIET,
        "ground": GROUND,
        "side": SIDE,
        "raised": RAISED,
        "own": OWN,
        **{f"name-{number}": colour for number, colour in enumerate(NAMES)},
        "input-cursor-background": INK,
        "input-cursor-foreground": GROUND,
        "input-selection-background": "#4a5560",
        "block-cursor-background": RAISED,
        "block-cursor-foreground": INK,
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": SIDE,
        "block-cursor-blurred-foreground": INK,
        "block-cursor-blurred-text-style": "none",
        "scrollbar": RAISED,
        "scrollbar-background": GROUND,
        "scrollbar-background-hover": GROUND,
        "scrollbar-background-active": GROUND,
        "scrollbar-hover": "#3a4148",
        "scrollbar-active": "#4a5560",
    },
)
