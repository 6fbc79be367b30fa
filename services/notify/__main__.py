"""`python -m services.notify`."""

import sys

from services.runtime.startup import import_for_good

sys.exit(import_for_good("services.notify.app").main())
