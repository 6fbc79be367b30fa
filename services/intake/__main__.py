"""`python -m services.intake`."""

import sys

from services.intake.app import main

sys.exit(main())
