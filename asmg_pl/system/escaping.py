r"""Names as they are, wherever they are shown: on a terminal, in Markdown, LaTeX, HTML and in figures.

Names of methods, models, folders and settings are a user's, and may hold anything that a file system takes. Each of
these places reads some characters as commands; here they become text again. What no place can show, control characters
and bytes that are no text, is written as in Python, ``\x1b`` or ``\n``.
"""

from __future__ import annotations

import html as _html
import re

#: Control characters, ends of lines, marks that turn the direction of what follows, and bytes that are no text.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*<>\[\]|&$~]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word is one
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    **{"[": "{[}", "]": "{]}", "≈": r"$\approx$", "±": r"$\pm$"},
}

#: Characters of a name in a figure; longer ones lose their middle, since a figure makes room for the whole name.
LONGEST_IN_FIGURES = 60


def terminal(text: str) -> str:
    """Text on one line that commands no terminal."""
    return _UNSEEN.sub(lambda found: _written(found[0]), text)


def plain(text: str) -> str:
    """Text in a file: everything as it is, but for bytes that are no text."""
    return re.sub("[\ud800-\udfff]", lambda found: _written(found[0]), text)


def markdown(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return _MARKDOWN.sub(r"\\\g<0>", terminal(text))


def latex(text: str) -> str:
    """Text in a LaTeX table."""
    escaped = "".join(_LATEX.get(character, character) for character in terminal(text))
    return escaped.replace("--", "-{}-")


def html(text: str) -> str:
    """Text in HTML, in an attribute too."""
    return _html.escape(terminal(text))


def mathtext(text: str) -> str:
    """A label in a figure of matplotlib, which reads formulas between dollars and leaves out labels with a first _."""
    shown = terminal(text)
    if len(shown) > LONGEST_IN_FIGURES:
        shown = f"{shown[: LONGEST_IN_FIGURES // 2]}…{shown[-(LONGEST_IN_FIGURES // 2 - 1) :]}"
    return ("\u200a" if shown.startswith("_") else "") + shown.replace("$", r"\$")


def _written(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
