from __future__ import annotations
import time
from dataclasses import dataclass, field
from typing import Any
import numpy as np

@dataclass
class Unknown:
    user: bool = False
    items: tuple = ()
    context: tuple = ()
    history: tuple = ()
    def words(self): return ""

@dataclass
class Scores:
    items: list
    scores: np.ndarray
    unknown: Unknown
    by: str = 'score'

class Scorer:
    def __init__(self, version="v1", number=1.0, pause=0.0):
        self.version, self.number, self.written, self.pause = version, number, time.time(), pause
    def score(self, user, items, history=None, context=None):
        time.sleep(self.pause)
        return Scores(list(items), np.full(len(items), self.number, np.float32), Unknown(user == "nobody"))
    def recommend(self, user, k, candidates=None, exclude_seen=True, history=None, context=None):
        return self.score(user, (candidates or list(range(100)))[:k])
    def score_users(self, users, items, histories=None, contexts=None):
        return [self.score(u, i) for u, i in zip(users, items)]
    def recommend_users(self, users, k, candidates=None, exclude_seen=True, histories=None, contexts=None):
        return [self.recommend(u, k, candidates) for u in users]

class Live:
    def __init__(self, scorer=None):
        self.scorer = scorer or Scorer()
        self.next = None
    def reload(self):
        if isinstance(self.next, Exception): raise self.next
        if self.next is None: return False
        self.scorer, self.next = self.next, None
        return True
