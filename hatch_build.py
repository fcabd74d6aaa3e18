"""Make the editable install show the floors as `tertulia.<floor>`.

Hatchling's `sources` renames folders in a wheel but not in an editable install. For that one case this hook links
each floor under `.editable/`, the folder that `dev-mode-dirs` puts on the path. Built wheels are not touched.
Invariant: `.editable/` holds nothing but the links named by `sources`. Linux and macOS only, like Tertulia.
"""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilderConfig

EDITABLE = ".editable"


class EditableFloors(BuildHookInterface[WheelBuilderConfig]):
    """Link every `[tool.hatch.build.targets.wheel.sources]` entry when the install is editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's signature)
        """Bring `.editable/` in line with `sources`; `version` is hatchling's word for the kind of wheel."""
        if version != "editable":
            return
        root = Path(self.root)
        # Hatchling hands both names over with a trailing separator.
        wanted = {
            root / EDITABLE / installed.rstrip("/\\"): root / folder.rstrip("/\\")
            for folder, installed in self.build_config.sources.items()
        }
        for stale in set((root / EDITABLE).glob("*/*")) - wanted.keys():
            stale.unlink()
        for link, target in wanted.items():
            link_directory(link, target)


def link_directory(link: Path, target: Path) -> None:
    """Make `link` lead to the directory `target`, relative so that the checkout can be moved.

    A link that is already right is left alone: a reinstall must not pull the package from under a running node.
    """
    relative = os.path.relpath(target, link.parent)
    if link.is_symlink():
        if os.readlink(link) == relative:  # noqa: PTH115  (Path.readlink would normalise the text we compare)
            return
        link.unlink()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(relative, target_is_directory=True)
