//! One MPTCP connection over several TCP subflows.
