"""Walk one stream with several methods and compare them: same rows, same seeds, same pre-trained models.

    python tools/compare_methods.py runs/all --methods configs/methods/*.yaml -- --config DATA.yaml --data.root FOLDER

Everything after ``--`` goes to ``asmg fit``, before the method's file, and pre-trains the base model that all methods
start from; a method whose file names another base model pre-trains that. With ``--tuned FOLDER``, a method that has
been tuned gets a second row, NAME_tuned. Finished walks are not run again, interrupted ones go on, failed ones are
reported and the rest kept; the table names those that have diverged. Prints a Markdown table of the test periods, with
each method's setting and costs beside its scores; writes it as ``comparison.md``, ``comparison.csv``,
``comparison.tex`` and a plot, ``comparison.png``, into the folder. ``tools/paired.py`` says what the interval is; to
make the table of runs that exist, use ``compare_runs.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from comparison import compare, draw, show
from messages import one_message
from run_folder import read_runs
from study import Study, study_parser
from tables import publish
from trial import TUNED, Trial, tuned_files
from walks import own_and_rest


def main() -> None:
    """Walk, then print and write the comparison; status 1 if a walk failed."""
    parser = study_parser(__doc__)
    parser.add_argument("--tuned", type=Path, help=TUNED)
    parser.add_argument("--baseline", default="iu", help="the method to compare with: its file's name, or NAME_tuned")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    trials = []
    for method in options.methods:
        trials.append(Trial(method.stem, (method,)))
        trials += [Trial(f"{method.stem}_tuned", (method, tuned)) for tuned in tuned_files(method, options.tuned)]
    if options.baseline not in [trial.name for trial in trials]:
        parser.error(f"the baseline {options.baseline!r} is not among the methods: add its file, or name another")

    study = Study(options, rest)
    with one_message():
        methods = {trial.name: read_runs(folders) for trial, folders in study.walk(trials).items()}
        if methods:
            rows = compare(methods, options.baseline)
            draw(rows, methods, options.baseline, options.folder / "comparison.png")
            publish(rows, show(rows, options.baseline), options.folder / "comparison")
    study.exit()


if __name__ == "__main__":
    main()
