"""Constraints for pip: of all that pixelgrad needs, the oldest series of versions that pyproject.toml allows.

"numpy>=1.26" becomes "numpy==1.26.*". Prints them, a line each.
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
installed = ("cpu", "export", "cli", "readers", "video", "test")
for group in (project["dependencies"], *(extras[name] for name in installed)):
    for requirement in group:
        if found := re.fullmatch(r"([\w.-]+)>=([\d.]+)(;.*)?", requirement.replace(" ", "")):
            print(f"{found[1]}=={found[2]}.*")
