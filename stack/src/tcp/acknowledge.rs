//! An acceptable acknowledgment: what it frees, measures, opens and starts.
//!
//! Owns the order of these. Whether an acknowledgment is acceptable was judged before; what is
//! lost is judged by `loss`.

use super::loss;
use super::observation::{Before, Observation};
use super::scoreboard::{AckContext, Delivered};
use super::tcb::Tcb;
use super::timers::Timer;
use super::traffic::Arrived;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::Segment;
use crate::wire::tcp_option::SackBlock;

/// What came of an acknowledgment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acknowledged {
    /// What it acknowledged.
    pub(super) delivered: Delivered,
    /// SND.UNA moved over payload bytes of ours.
    pub(super) data_acked: bool,
}

/// Takes an acceptable acknowledgment: queue, RTT, window, losses, timers.
pub(super) fn acknowledge(
    tcb: &mut Tcb,
    now: Instant,
    segment: &Segment,
    ack: SeqNum,
) -> Acknowledged {
    let before = Before {
        in_flight: tcb.scoreboard.in_flight(),
        flight_size: tcb.flight_size(),
    };
    let outstanding = !tcb.scoreboard.is_empty();
    let advanced = ack.after(tcb.snd_una);
    let context = context(tcb, now, segment);
    let mut result = Acknowledged::default();
    let delivered = &mut result.delivered;
    if advanced {
        tcb.scoreboard.acknowledge(&context, ack, delivered);
        let acked = u64::try_from(ack.distance_from(tcb.snd_una)).unwrap_or(0);
        let controls = u64::from(delivered.syn) + u64::from(delivered.fin);
        let payload = acked.saturating_sub(controls);
        result.data_acked = payload > 0;
        tcb.bytes_acked += payload;
        tcb.snd_una = ack;
    }
    let (duplicate_block, blocks) = if tcb.negotiated.sack {
        part_duplicate(&segment.options.sack, ack)
    } else {
        (None, &[][..])
    };
    if !blocks.is_empty() {
        tcb.scoreboard
            .sack(&context, blocks, tcb.snd_nxt, delivered);
    }
    if let Some(rtt) = delivered.rtt {
        tcb.rtt.sample(rtt);
    }
    let ecn_echo = tcb.ecn.is_echo(segment.flags);
    tcb.traffic.on_ack(
        now,
        &Arrived {
            segments: delivered.segments,
            bytes: delivered.bytes,
            marked: ecn_echo,
            snd_una: tcb.snd_una,
            snd_nxt: tcb.snd_nxt,
            min_rtt: tcb.rtt.min(),
        },
    );
    tcb.traffic.duplicate_reports += u64::from(duplicate_block.is_some());
    tcb.path_mtu_on_ack(now, delivered, advanced);
    let same_window = !update_window(tcb, segment, ack);
    // RFC 5681 §2; and RFC 6824 appendix A: an ACK that carries other MPTCP options is no
    // sign of congestion.
    let duplicate = !advanced
        && outstanding
        && same_window
        && segment.payload.is_empty()
        && !segment.flags.fin
        && ack == tcb.snd_una
        && segment.options.mptcp.is_empty();
    if !delivered.syn {
        let observation = Observation {
            delivered: result.delivered,
            before,
            ack,
            advanced,
            duplicate,
            duplicate_block,
            blocks,
            echo: context.echo,
            ecn_echo,
        };
        loss::on_ack(tcb, now, &observation);
    }
    if tcb.config.pacing {
        let slow_start = tcb.congestion.cwnd() < tcb.congestion.ssthresh();
        tcb.pacer
            .set_rate(tcb.congestion.cwnd(), tcb.rtt.srtt(), slow_start);
    }
    restart_timers(tcb, now, advanced);
    result
}

fn context(tcb: &Tcb, now: Instant, segment: &Segment) -> AckContext {
    let timestamps = segment
        .options
        .timestamps
        .filter(|_| tcb.negotiated.timestamps);
    AckContext {
        now,
        echo: timestamps.and_then(|timestamps| tcb.sent_by(now, timestamps.echo)),
        min_rtt: tcb.rtt.min(),
        mss: tcb.mss,
    }
}

/// Tells a DSACK from the other blocks: it is the first, and lies below the acknowledgment or
/// within the second (RFC 2883 §4).
fn part_duplicate(blocks: &[SackBlock], ack: SeqNum) -> (Option<SackBlock>, &[SackBlock]) {
    let [first, rest @ ..] = blocks else {
        return (None, blocks);
    };
    let within_second = rest.first().is_some_and(|second| {
        first.left.at_or_after(second.left) && first.right.at_or_before(second.right)
    });
    if first.right.at_or_before(ack) || within_second {
        (Some(*first), rest)
    } else {
        (None, blocks)
    }
}

/// RFC 9293 §3.10.7.4, fifth: the send window follows the newest segment. Returns if it changed.
fn update_window(tcb: &mut Tcb, segment: &Segment, ack: SeqNum) -> bool {
    let newer = tcb.snd_wl1.before(segment.seq)
        || (tcb.snd_wl1 == segment.seq && tcb.snd_wl2.at_or_before(ack));
    if !newer || ack.before(tcb.snd_una) {
        return false;
    }
    let window = if segment.flags.syn {
        u32::from(segment.window)
    } else {
        u32::from(segment.window) << tcb.negotiated.snd_scale
    };
    let changed = window != tcb.snd_wnd;
    tcb.snd_wnd = window;
    tcb.max_snd_wnd = tcb.max_snd_wnd.max(window);
    tcb.snd_wl1 = segment.seq;
    tcb.snd_wl2 = ack;
    changed
}

fn restart_timers(tcb: &mut Tcb, now: Instant, advanced: bool) {
    if advanced {
        tcb.rtt.progress();
        // RFC 6298 §5.2, §5.3
        if tcb.scoreboard.is_empty() {
            tcb.timers.clear(Timer::Retransmit);
            tcb.waiting_since = None;
        } else {
            tcb.timers.set(Timer::Retransmit, now + tcb.rtt.rto());
            tcb.waiting_since = Some(now);
        }
    }
    // RFC 8985 §7.2: on an acknowledgment that moves SND.UNA or selects.
    tcb.schedule_probe(now);
}
