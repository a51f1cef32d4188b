"""Formats in which other programs run the serving model: ``torch.export``, ONNX, and vectors for a search."""

from asmg_pl.serving.formats.writing import FORMATS, write_formats

__all__ = ["FORMATS", "write_formats"]
