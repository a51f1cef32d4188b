"""Experiments: several walks along one stream, compared, tuned, swept and reported.

walks          a walk: a call of ``asmg fit``
pool           where walks run: processes of this machine, or nodes of a cluster
walking        walks are run by a pool, and live_table shows what becomes of them
trial, study   a method at one setting; trials that start from the same pre-trained models
runs           what walks have left in their folders, or on a tracking server (wandb_source)
summary        scores and costs of one method
paired         how a method differs from another on the same periods, with the same seeds
comparison     one table of several methods; sweep, tuning, seeds and reproduction have theirs
next_item      ADER's study of next-item prediction, in a protocol of its own
report         one HTML page
"""
