//! YAML, environment and files into checked settings: every problem at once, no secret echoed.
