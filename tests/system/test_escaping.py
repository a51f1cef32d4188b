"""Names are shown as they are, and command nothing where they are shown."""

from __future__ import annotations

import html as html_of_python
import os
import warnings
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from asmg_pl.system.escaping import html, latex, markdown, mathtext, plain, terminal

WORDS = "שלום 世界 😀 👩‍🔬 e\u0301 gru_multi/window=3,x 95 %"


@pytest.mark.parametrize("show", [terminal, markdown, html, plain])
def test_words_of_any_language_stay_as_they_are(show: object) -> None:
    assert callable(show)
    assert show(WORDS) == WORDS


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x9b2J\x7f\x00", r"\x9b2J\x7f\x00"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        ("a\u2028b\u2066c", r"a\u2028b\u2066c"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
    ],
)
def test_what_commands_a_terminal_is_written_out(name: str, shown: str) -> None:
    assert terminal(name) == shown
    assert html(name) == shown
    assert terminal(terminal(name)) == shown
    shown.encode()


def test_in_markdown_no_character_ends_a_cell_or_formats() -> None:
    assert markdown(r"a|b `c` <i> *d* [e](f) $g$ &amp; \ ~h~ _i_ j_k") == (
        r"a\|b \`c\` \<i\> \*d\* \[e\](f) \$g\$ \&amp; \\ \~h\~ \_i\_ j_k"
    )


def test_in_latex_every_character_is_text() -> None:
    assert latex(r"a_b & 5 % #1 {x} $y$") == r"a\_b \& 5 \% \#1 \{x\} \$y\$"
    assert latex(r"\input{x} ~ ^ <i>|") == (
        r"\textbackslash{}input\{x\} \textasciitilde{} \textasciicircum{} \textless{}i\textgreater{}\textbar{}"
    )
    assert latex("[1] a--b") == "{[}1{]} a-{}-b"


def test_in_html_no_character_ends_an_attribute_or_begins_a_tag() -> None:
    name = "\"'><script>alert(1)</script>&lt;"
    assert not {'"', "'", "<", ">"} & {*html(name)}
    assert html_of_python.unescape(html(name)) == name


@pytest.mark.parametrize("name", ["$x$", r"\$x$", "$", "a$b$c$", r"$\frac", "_hidden", "a\nb", WORDS, "x" * 5000])
def test_in_a_figure_a_name_is_neither_a_formula_nor_left_out(name: str, tmp_path: Path) -> None:
    figure = Figure(layout="constrained")
    axis = figure.subplots()
    axis.plot([1, 2], [1, 2], label=mathtext(name))
    legend = axis.legend()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("error", "constrained_layout")
        figure.savefig(tmp_path / "figure.png")
    (text,) = legend.get_texts()
    shown, formula = Text(0, 0, text.get_text())._preprocess_math(text.get_text())  # type: ignore[attr-defined]
    assert not formula
    assert shown.lstrip("\u200a") == terminal(name) or len(name) > 60


def test_a_very_long_name_loses_its_middle_in_figures_alone() -> None:
    name = "begin" + "x" * 1000 + "end"
    assert len(mathtext(name)) == 60
    assert mathtext(name).startswith("begin")
    assert mathtext(name).endswith("end")
    assert terminal(name) == name


def test_in_a_file_only_what_is_no_text_is_written_out() -> None:
    assert plain(os.fsdecode(b"a\n\xff=")) == "a\n\\xff="
