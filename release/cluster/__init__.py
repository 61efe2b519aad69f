"""What Kubernetes says of a release, and the two words said to it."""
