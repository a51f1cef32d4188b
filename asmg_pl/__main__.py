"""``python -m asmg_pl`` is ``asmg``."""

from asmg_pl.system.environment import lasting_streams
from asmg_pl.system.signals import stop_on_signals


def main() -> None:
    """Run the command line; signals and closed streams are taken care of before the libraries are imported."""
    with lasting_streams(), stop_on_signals():
        from asmg_pl.cli.main import main as command_line

        command_line()


if __name__ == "__main__":
    main()
