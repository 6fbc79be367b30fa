"""`python -m services.routing`."""

import sys

from services.runtime.startup import import_for_good

sys.exit(import_for_good("services.routing.app").main())
