"""Looking at records and judging them: pictures, case views, verdicts, questions to a run."""
