"""Why does it look there: what a network looks at, followed through its training (METHODS 2, arXiv 2603.10234)."""
