"""`make bench`: Calotype beside real Glance, nginx and a bare socket loop, in one run."""
