"""Files that lie: headers that claim too much, streams that unpack to more than they say, names of files elsewhere.

LIES: by name, a function that makes the file in a folder and returns its path. What each is told from is left to the
readers; a test asks only that it ends in words.
"""

import lies_of_arrays  # noqa: F401  (each adds its own)
import lies_of_hdf5  # noqa: F401
import lies_of_scans  # noqa: F401
import lies_of_stores  # noqa: F401
from lying import LIES

__all__ = ["LIES"]
