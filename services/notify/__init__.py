"""notify: delivers what routing decided, keeps at it, and never decides who."""
