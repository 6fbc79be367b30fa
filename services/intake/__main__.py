"""`python -m services.intake`."""

import sys

from services.runtime.startup import import_for_good

sys.exit(import_for_good("services.intake.app").main())
