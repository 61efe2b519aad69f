"""How Sphinx builds the site from the pages in this folder: `make docs`."""

from importlib.metadata import version as installed

project = "Slipway"
author = "The Slipway authors"
project_copyright = "The Slipway authors, Apache-2.0"
version = release = installed("slipway")

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_*"]
nitpicky = True
# A session whose command goes over several lines is no grammar that the highlighter knows.
suppress_warnings = ["misc.highlighting_failure"]

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block"]

smartquotes = False  # --json is no dash
html_theme = "furo"
html_title = f"Slipway {release}"
html_static_path = ["_static"]
html_css_files = ["slipway.css"]
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}

# A block of a session is copied without its prompts and without what was printed.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_here_doc_delimiter = "EOF"
copybutton_line_continuation_character = "\\"
