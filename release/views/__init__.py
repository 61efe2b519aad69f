"""What is shown of a release and changes nothing."""
