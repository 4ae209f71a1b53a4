"""Release: which of several classifiers may be trusted, decided on the same cases by a written policy."""
