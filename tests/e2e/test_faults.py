"""The fault tests of tests/soak, with a little of everything."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "soak"))

import faults                                           # noqa: E402

faults.main(False)
