"""Folders at an address such as ``s3://bucket/runs/shop``: streams, runs and stores of versions that machines share.

    ADDRESS/listings/00000012.json        which files the folder has, with their sizes and digests; the newest counts
    ADDRESS/files/…                       their content, which never changes

    listing 12 ──▶ a tree of links ──▶ blobs of this machine's cache, each fetched once, when somebody needs it

A change puts the new files up first and then creates the next listing, which only one writer can do. Whoever reads sees
the folder before a change or after it, and whole. The rest of the program works on local folders,
:class:`asmg_pl.storage.copy.Copy`.
"""
