"""A row for every form of every operator that has a gradient rule, a file for each family."""

from __future__ import annotations

from helpers.cases.arithmetic import ARITHMETIC
from helpers.cases.indexing import INDEXING
from helpers.cases.moving import MOVING
from helpers.cases.reductions import REDUCTIONS
from helpers.cases.windows import WINDOWS
from helpers.gradcheck import Case

CASES: list[Case] = [*ARITHMETIC, *WINDOWS, *REDUCTIONS, *MOVING, *INDEXING]
