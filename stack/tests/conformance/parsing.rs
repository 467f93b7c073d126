//! Which bytes are options, and which are not: statements 1 to 13.
