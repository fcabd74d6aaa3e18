"""The rules of a dialogue, and the versions of something said, as lines.

docs/spec/control.md, charter and history. Pure; what peers chose is stripped.
"""

from collections.abc import Mapping

from tertulia.tui.guard import int_of, line_of, rows_of, strip_text, text_of
from tertulia.tui.when import moment_of

Value = Mapping[str, object]

ACCEPTED = "You have accepted these rules."
NOT_ACCEPTED = "You have not accepted these rules yet: until then you read, and do not speak."


def rules_lines(result: Value) -> list[str]:
    """Title, rules and guidelines."""
    rules, guidelines = result.get("rules"), strip_text(str(result.get("guidelines", "")))
    lines = [line_of(result, "title")]
    lines += [f"  {strip_text(str(rule))}" for rule in (rules if isinstance(rules, list | tuple) else [])]
    return [*lines, *([f"  Guidelines: {guidelines}"] if guidelines else [])]


def version_lines(told: Value) -> list[str]:
    """Everything something said ever was, the first version first."""
    lines = []
    for version in rows_of(told, "versions"):
        words = ["(withdrawn)"] if version.get("withdrawn") else text_of(version, "text").split("\n")
        lines.append(f"      {moment_of(int_of(version, 'time'))}: {words[0]}")
        lines += [f"        {line}" for line in words[1:]]
    return lines
