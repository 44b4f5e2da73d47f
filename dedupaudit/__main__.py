"""`python -m dedupaudit`: the same program as the installed command."""

from dedupaudit.main import main

main()
