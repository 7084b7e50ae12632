"""How Sphinx makes the site of these pages: `make docs`. Nothing in it comes from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

from vivavoce import __version__

sys.path.insert(0, str(Path(__file__).parent.parent))  # of `manual`

project = "vivavoce"
author = "the vivavoce authors"
copyright = "the vivavoce authors, Apache-2.0"
release = version = __version__


extensions = ["myst_parser", "manual.pictures", "manual.surroundings", "manual.offline"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_static"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # JSON with "..." in it

html_theme = "furo"
html_title = "vivavoce"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": [], "navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "native"
