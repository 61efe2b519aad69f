"""What became of a model after its release: reads the journal and what the model was judged on, and changes nothing."""
