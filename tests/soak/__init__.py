"""A server at half its capacity, with faults at random: nothing grows, no row is lost or there twice."""
