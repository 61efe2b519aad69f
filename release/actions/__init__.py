"""What people and reconciler do to a release, one module an act."""
