"""Fetches published data sets from their publishers: ``asmg prepare NAME``.

publisher ─▶ download, resumed where it was cut ─▶ checksum ─▶ unpack ─▶ a folder for ``--data.root``
"""
