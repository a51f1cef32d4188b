"""Programs: a module of plain tensors as a file that another program runs, for any number of rows.

module ─▶ torch.export ─┬─▶ NAME.pt2                      torch.export.load
└─▶ NAME.onnx[, NAME.onnx.data]   onnxruntime, Triton, …
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from asmg_pl.errors import FormatError

#: Rows by name: int64 or float32, [B] or [B, …].
Rows = Mapping[str, np.ndarray]

#: Runs a program on rows and gives its outputs, float32 [B] or [B, D].
Run = Callable[[Rows], list[np.ndarray]]

#: Bytes of numbers from which an ONNX model has them in a second file: one file of the format holds less than 2 GiB.
ONE_FILE = 2**30

#: The free axes and their names.
_ROWS, _VALUES = Dim("batch", min=1), Dim("values", min=1)

_NOISY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def exported(module: nn.Module, rows: Rows, name: str = "the recommender") -> ExportedProgram:
    """Follow a module's operations, for any number of rows, and of values in lists.

    Args:
        module: of plain tensors.
        rows: an example, in the order of the arguments, two rows at least; lists [B, F, L] have two places at least.
        name: what the module is, for the message.

    Raises:
        FormatError: if its operations depend on numbers, or on the number of rows.
    """
    example = tuple(torch.from_numpy(values) for values in rows.values())
    reason = ""
    # The first way takes a third of the time. The second reads the source, and follows more of Python.
    for strict in (False, True):
        try:
            with torch.no_grad(), _silence():
                program = torch.export.export(
                    module.eval(), example, dynamic_shapes=_free_axes(module, example), strict=strict
                )
        except Exception as error:  # torch raises errors of many types
            reason = reason or " ".join(str(error).split())[:300]
        else:
            for node in program.graph.nodes:  # which names files of this machine
                node.meta.pop("stack_trace", None)
            return program
    raise FormatError(
        f"torch.export cannot follow {name} ({reason}): write x.shape[0] rather than len(x) for a number of "
        "rows, and let no branch depend on what tensors hold"
    )


def _free_axes(module: nn.Module, example: Sequence[Tensor]) -> dict[str, Any]:
    """The axes of each argument that have no fixed length: the rows, and the values of lists."""

    def of(given: Any) -> Any:
        return tuple(map(of, given)) if isinstance(given, tuple) else _free_axes_of(given)

    return {name: of(given) for name, given in signature(module.forward).bind(*example).arguments.items()}


def _free_axes_of(tensor: Tensor) -> dict[int, Dim]:
    return {0: _ROWS} if tensor.ndim < 3 else {0: _ROWS, 2: _VALUES}


def write_pt2(program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """Write a program for ``torch.export.load``, and load it again.

    Args:
        program: of :func:`exported`.
        path: of the file.
        inputs: the names of the inputs, which this format does not keep.
        outputs: those of the outputs, which it does not keep either.
    """
    with _silence():
        torch.export.save(program, path)
        loaded = torch.export.load(path).module()

    def run(rows: Rows) -> list[np.ndarray]:
        with torch.no_grad():
            return [found.numpy() for found in loaded(*(torch.from_numpy(values) for values in rows.values()))]

    return run


def write_onnx(program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """Write a program in ONNX, and load it in onnxruntime.

    Args:
        program: of :func:`exported`.
        path: of the file. Where there are more numbers than one file holds, they are in a second one beside it.
        inputs: the names of the inputs.
        outputs: those of the outputs.
    """
    import onnxruntime

    given = set(program.graph_signature.user_inputs)
    axes = tuple(_free_axes_of(node.meta["val"]) for node in program.graph.nodes if node.name in given)
    with _silence():
        model = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=axes,  # for their names
        )
        assert model is not None
        numbers = sum(values.numel() * values.element_size() for values in program.state_dict.values())
        model.save(path, external_data=numbers >= ONE_FILE)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda rows: [np.asarray(found) for found in session.run(list(outputs), dict(rows))]


@contextmanager
def _silence() -> Iterator[None]:
    """A context in which torch and its helpers do not tell how they work."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
