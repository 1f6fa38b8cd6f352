"""`python -m advisor` is `advise`."""

import sys

from advisor.cli import main

sys.exit(main())
