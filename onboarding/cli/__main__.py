"""``python -m onboarding.cli`` is ``vouchgate``."""

from onboarding.cli import main

main()
