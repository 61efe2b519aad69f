"""What a request is on the wire: connections, messages, problems, log lines."""
