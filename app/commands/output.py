"""Where commands write: what they found to standard output, what went wrong to standard error."""

from rich.console import Console

out = Console()
err = Console(stderr=True)
