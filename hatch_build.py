"""Put the viewer's page into what is built.

An sdist always holds the page, and a wheel that is built from it as well: a release without the
page fails here. A wheel that is built from a checkout, as `pip install .` does, holds the page
where it is built already or Node can build it, and goes without where not.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_REQUIRED = "TRACEKIT_REQUIRE_PAGE"


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's parameter is private
    """Builds the page before the files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless it is there and as new as its source.

        Raises:
            RuntimeError: The page is required and cannot be built.
        """
        if version == "editable":
            return
        root = Path(self.root)
        page = root / "src" / "tracekit" / "_viewer" / "page" / "index.html"
        if page.is_file() and not _is_older(page, root / "web"):
            return
        required = self.target_name == "sdist" or bool(os.environ.get(_REQUIRED))
        built = _build(root / "web" / "build.py", install=required)
        if not built and required:
            msg = (
                "A release holds the viewer's page, and the page could not be built. "
                "`make page` builds it beforehand, and gets Node from PyPI where there is none."
            )
            raise RuntimeError(msg)
        if not built:
            self.app.display_warning(
                "The viewer's page is not built: Node is missing. `tracekit view` will name the "
                "command that builds it."
            )


def _is_older(page: Path, web: Path) -> bool:
    """Whether a source is newer than the page; an sdist has no source that changes."""
    built = page.stat().st_mtime
    sources = [web / "package-lock.json", *web.glob("src/**/*"), *web.glob("scripts/*")]
    return any(source.is_file() and source.stat().st_mtime > built for source in sources)


def _build(script: Path, *, install: bool) -> bool:
    if not script.is_file():
        return False
    build = _load(script)
    if not install and build.find_npm() is None:
        return False
    return bool(build.main() == 0)


def _load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tracekit_page_build", script)
    if spec is None or spec.loader is None:
        msg = f"{script} cannot be loaded"
        raise RuntimeError(msg)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
