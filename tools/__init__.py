"""Programs for those who work on Calotype: the demo, the bench, the generated docs."""
