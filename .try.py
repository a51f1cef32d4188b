import sys
sys.path.insert(0,'tests')
from pathlib import Path
import polars as pl, numpy as np, shutil, os
