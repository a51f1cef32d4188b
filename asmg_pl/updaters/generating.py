"""Updaters whose generated model a meta generator makes, from the snapshots of the base model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from asmg_pl.errors import ConfigError
from asmg_pl.generators import Generator
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.updaters.guarding.guarded import Guarded


class Generating(Guarded):
    """Makes Θ* and the generator's carried state from a history of snapshots; a subclass trains the generator.

    Attributes:
        generator: M_ω.
        history: the snapshots and the generator's carried state.
        trained: whether the generator has taken a step, bool []. It has not after its first period, if that had no
            rows.
        chunk_rows: table rows that are generated at a time.
        compile_generator: whether the generator's cells run in one compiled kernel; ``None`` for wherever they can.
        why_plain: why the generator has no compiled kernel; empty if it has one, or if none is written for it.
    """

    generator: Generator
    history: ParameterHistory
    trained: Tensor
    chunk_rows: int
    compile_generator: bool | None
    why_plain: str

    # ---- the generated model

    def pretrained(self) -> None:
        """Θ_0 takes the place of a generated model first."""
        self.generated.load_state_dict(self.recommender.state_dict())

    @torch.no_grad()
    def make_generated(self) -> None:
        """Generate Θ* from the history; rows that have not appeared keep their initial values."""
        self.generated.load_state_dict(self.recommender.state_dict())
        if not self.trained:
            return
        for name in self.recommender.tables:
            self._generate(name, 0, self.recommender.rows_known(name))
        dense = self.generator.generate_stored_dense(self.history.stored_dense())
        parameters = self.generated.dense_parameters()
        for name, values in self.history.split_dense(dense[-1]).items():
            parameters[name].copy_(values)

    @torch.no_grad()
    def welcome(self, new: Mapping[str, tuple[int, int]]) -> None:
        """Generate the rows that appear, as all others have been."""
        if self.candidates is not None:
            self.candidates.begun = bool(self.trained)
        if self.trained:
            for name, (begin, end) in new.items():
                self._generate(name, begin, end)

    def _generate(self, name: str, begin: int, end: int) -> None:
        """Generate rows of a table."""
        rows = self.history.stored(name, range(begin, end))
        self.generator.write_newest(name, rows, self.generated.table(name)[begin:end], self.chunk_rows)

    @torch.no_grad()
    def carry_state(self) -> None:
        """Keep the state after the window's first snapshot, under the new ω: the next window starts from it.

        A row has state 0 until it appears.
        """
        for name in self.recommender.tables:
            stored = self.history.stored(name, range(self.recommender.rows_known(name)))
            self.generator.carry_state(name, stored.oldest(), self.chunk_rows)
        window, hidden = self.history.dense_window()
        _, states = self.generator.dense(window[:1], hidden)
        hidden.copy_(states[0])

    # ---- Lightning's hooks

    def on_fit_start(self) -> None:
        """Compile the generator's kernel; begin as every updater.

        Raises:
            ConfigError: if it is asked for and cannot be compiled.
        """
        if self.compile_generator is not False:
            try:
                self.generator.fuse(self.device)
            except OSError as error:
                if self.compile_generator:
                    raise ConfigError(f"model.compile_generator: {error}") from error
                self.why_plain = str(error)
        super().on_fit_start()

    def notes(self) -> list[str]:
        """What computes the generator, and why not a compiled kernel."""
        name, why = self.generator.computed_by, self.why_plain or self.generator.why_plain()
        return [f"generator: computed by {name if name != 'plain' else f'plain operations: {why}'}"]
