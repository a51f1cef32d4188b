"""``python -m asmg_pl`` is ``asmg``."""

from asmg_pl.cli.main import main

if __name__ == "__main__":
    main()
