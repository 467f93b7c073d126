//! Byte ranges: what waits to be sent, and what came out of order. Pure: no clock, no settings.
