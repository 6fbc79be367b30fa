"""`python -m services.routing`."""

import sys

from services.routing.app import main

sys.exit(main())
