"""How the documentation is built: Markdown pages, and docstrings turned into a reference."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

import onlyif

project = "onlyif"
release = version = onlyif.__version__
copyright = "the onlyif authors"
html_theme = "furo"
html_title = f"onlyif {release}"
html_static_path = ["static"]
html_css_files = ["code.css"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
# Tutorials are scripts, run when the documentation is built: a page shows what they print and draw.
TUTORIALS = Path(__file__).parent / "tutorials"
sys.path.insert(0, str(TUTORIALS))
sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "auto_tutorials",
    "filename_pattern": "plot_",
    "ignore_pattern": "lending",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    # Its page of times would load a style sheet from the network.
    "write_computation_times": False,
    "show_signature": False,
    "plot_gallery": True,
    "remove_config_comments": True,
    # What a picture returns is no output to be read.
    "ignore_repr_types": r"matplotlib",
}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "tutorials", "auto_tutorials/*.ipynb", "auto_tutorials/*.py"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
nitpicky = False

MARKS = re.compile(r"(`[^`]*`)|([|*]|(?<=\w)_(?!\w))")


def escaped(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text: |S| is a size and *x a shape, not markup. Examples stay as they are."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = MARKS.sub(lambda found: found[1] or "\\" + found[2], line)


class CommandHelp(Directive):
    """What `onlyif ... --help` prints, as it is when the documentation is built."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        """The output as a block of text."""
        command = [str(Path(sys.executable).with_name("onlyif")), *self.arguments[0].split()]
        environment = {**os.environ, "COLUMNS": "96", "NO_COLOR": "1"}
        text = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        return [nodes.literal_block(text, text, language="text")]


def formula(writer: Any, node: nodes.math) -> None:
    """A formula within a line as MathML, which browsers draw themselves, without a network."""
    writer.body.append(tex2mathml(node.astext().strip()))
    raise nodes.SkipNode


def display(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own line as MathML."""
    mathml = tex2mathml(node.astext().strip(), as_block=True)
    writer.body.append(f'<div class="math" style="overflow-x: auto">{mathml}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Registers all of this with Sphinx."""
    app.connect("autodoc-process-docstring", escaped, priority=400)
    app.add_directive("command-help", CommandHelp)
    app.add_html_math_renderer("mathml", (formula, None), (display, None))
