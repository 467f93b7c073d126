//! Attacks, each with what stops it: the protocol reference, section 7, and statement 122.
