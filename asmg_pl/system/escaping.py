r"""Escapes names for each place that shows them: terminals, Markdown, LaTeX, HTML and figures.

Names of methods, models, folders and settings come from users, and may have any character that a file system takes.
Each place reads some characters as commands; here they become text again. Control characters and bytes that are no text
can be shown nowhere, and are written as in Python, ``\x1b`` or ``\n``.
"""

from __future__ import annotations

import html as _html
import re

#: Control characters, ends of lines, marks that change the direction of text, and bytes that are no text.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*<>\[\]|&$~]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word stays as it is
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    **{"[": "{[}", "]": "{]}", "≈": r"$\approx$", "±": r"$\pm$"},
}

#: The most characters of a name in a figure. Longer names lose their middle, since a figure makes room for all of it.
LONGEST_IN_FIGURES = 60


def terminal(text: str) -> str:
    """Escape text for one line of a terminal."""
    return _UNSEEN.sub(lambda found: _written(found[0]), text)


def plain(text: str) -> str:
    """Escape text for a file: only bytes that are no text are changed."""
    return re.sub("[\ud800-\udfff]", lambda found: _written(found[0]), text)


def markdown(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return _MARKDOWN.sub(r"\\\g<0>", terminal(text))


def latex(text: str) -> str:
    """Escape text for a LaTeX table."""
    escaped = "".join(_LATEX.get(character, character) for character in terminal(text))
    return escaped.replace("--", "-{}-")


def html(text: str) -> str:
    """Escape text for HTML, also for attributes."""
    return _html.escape(terminal(text))


def mathtext(text: str) -> str:
    """Escape a label of matplotlib, which reads formulas between dollars and hides labels that begin with _."""
    shown = terminal(text)
    if len(shown) > LONGEST_IN_FIGURES:
        shown = f"{shown[: LONGEST_IN_FIGURES // 2]}…{shown[-(LONGEST_IN_FIGURES // 2 - 1) :]}"
    return ("\u200a" if shown.startswith("_") else "") + shown.replace("$", r"\$")


def _written(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # Python's form of a byte in a name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
