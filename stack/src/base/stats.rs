//! Counters of a whole endpoint.

/// What an endpoint has seen since it was made. All are counts of packets or events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Packets handed in.
    pub packets_received: u64,
    /// Packets handed out.
    pub packets_sent: u64,
    /// Packets that were neither well-formed TCP nor ICMP over IP, or had a wrong checksum.
    pub packets_malformed: u64,
    /// ICMP errors about a segment of ours that was on its way.
    pub icmp_errors: u64,
    /// ICMP errors about anything else, and those that say what cannot be.
    pub icmp_errors_ignored: u64,
    /// Segments answered with RST because nobody knew them.
    pub resets_sent: u64,
    /// SYNs dropped because a listener's backlog was full, or its SYN backlog without cookies.
    pub syns_dropped: u64,
    /// Third packets of handshakes not taken because a listener's backlog was full.
    pub accept_overflows: u64,
    /// SYNs answered with a cookie.
    pub cookies_sent: u64,
    /// Connections made from a cookie that came back.
    pub cookies_accepted: u64,
    /// Acknowledgments that could have been of a cookie, and were not.
    pub cookies_failed: u64,
    /// Connections in TIME-WAIT that made way for a new one with the same addresses and ports.
    pub time_waits_reused: u64,
    /// Connections that started or became plain TCP.
    pub fallbacks: u64,
    /// MP_JOINs refused: unknown token, wrong HMAC, limits.
    pub joins_refused: u64,
    /// MP_JOINs that got no answer, as too many of their source, or of all, had failed.
    pub joins_ignored: u64,
}
