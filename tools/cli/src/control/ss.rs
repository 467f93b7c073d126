//! `umptcp ss`: the sockets of a stack, as `ss -Mi` and `ss -ti` print those of a kernel.

use super::args::SsArgs;
use super::{Failed, print, unexpected};
use std::fmt::Write as _;
use std::net::SocketAddr;
use umptcp::control_socket::{
    Answered, ControlClient, MptcpReport, Request, SocketReport, SocketState, SubflowReport,
};

pub(super) fn run(client: &mut ControlClient, args: &SsArgs) -> Result<(), Failed> {
    let sockets = match client.request(Request::Sockets)? {
        Answered::Sockets(sockets) => sockets,
        other => return Err(unexpected(&other)),
    };
    let shown = sockets.into_iter().filter(|socket| {
        let listens = socket.state == SocketState::Listen;
        args.all || listens == args.listening
    });
    if args.json {
        let sockets: Vec<_> = shown.collect();
        let text =
            serde_json::to_string(&sockets).map_err(|error| Failed::CouldNot(error.to_string()))?;
        return print(&text);
    }
    print(&row(
        "State",
        "Recv-Q",
        "Send-Q",
        "Local Address:Port",
        "Peer Address:Port",
    ))?;
    for socket in shown {
        print(&line(&socket))?;
        if args.info
            && let Some(info) = &socket.info
        {
            print(&format!("\t {}", mptcp(info)))?;
            for subflow in &socket.subflows {
                print(&format!("\t {}", tcp(subflow, info)))?;
            }
        }
    }
    Ok(())
}

fn row(state: &str, recv_q: &str, send_q: &str, local: &str, remote: &str) -> String {
    format!("{state:<11}{recv_q:<8}{send_q:<8}{local:<28}{remote}")
}

fn line(socket: &SocketReport) -> String {
    row(
        state(socket.state),
        &socket.recv_q.to_string(),
        &socket.send_q.to_string(),
        &socket.local.to_string(),
        &socket
            .remote
            .map_or_else(|| "*:*".into(), |remote: SocketAddr| remote.to_string()),
    )
}

/// The words of `ss`.
const fn state(state: SocketState) -> &'static str {
    match state {
        SocketState::Listen => "LISTEN",
        SocketState::SynSent => "SYN-SENT",
        SocketState::SynRecv => "SYN-RECV",
        SocketState::Estab => "ESTAB",
        SocketState::FinWait1 => "FIN-WAIT-1",
        SocketState::FinWait2 => "FIN-WAIT-2",
        SocketState::CloseWait => "CLOSE-WAIT",
        SocketState::Closing => "CLOSING",
        SocketState::LastAck => "LAST-ACK",
        SocketState::TimeWait => "TIME-WAIT",
        _ => "UNCONN",
    }
}

/// The fields of `mptcp_info` in the order of `ss`, those that are zero left out.
fn mptcp(info: &MptcpReport) -> String {
    let mut text = String::new();
    let number = |text: &mut String, name: &str, value: u64| {
        if value != 0 {
            let _ = write!(text, "{name}:{value} ");
        }
    };
    number(&mut text, "subflows", info.subflows);
    number(&mut text, "add_addr_signal", info.add_addr_signal.into());
    number(
        &mut text,
        "add_addr_accepted",
        info.add_addr_accepted.into(),
    );
    if info.fallback {
        text += "fallback ";
    }
    if info.remote_key {
        text += "remote_key ";
    }
    if let Some(token) = info.token {
        let _ = write!(text, "token:{token:x} ");
    }
    for (name, value) in [
        ("write_seq", info.write_seq),
        ("snd_una", info.snd_una),
        ("rcv_nxt", info.rcv_nxt),
    ] {
        number(&mut text, name, value.unwrap_or(0));
    }
    for (name, value) in [
        ("local_addr_used", info.local_addr_used.into()),
        ("csum_enabled", info.csum_enabled.into()),
        ("retransmits", info.retransmits.into()),
        ("bytes_retrans", info.bytes_retrans),
        ("bytes_sent", info.bytes_sent),
        ("bytes_received", info.bytes_received),
        ("bytes_acked", info.bytes_acked),
        ("subflows_total", info.subflows_total),
        ("last_data_sent", info.last_data_sent.unwrap_or(0)),
        ("last_data_recv", info.last_data_recv.unwrap_or(0)),
        ("last_ack_recv", info.last_ack_recv.unwrap_or(0)),
    ] {
        number(&mut text, name, value);
    }
    // What `ss` has no words for.
    if let Some(version) = info.version {
        let _ = write!(text, "version:{version} ");
    }
    let _ = write!(
        text,
        "scheduler:{} path_manager:{}",
        info.scheduler, info.path_manager
    );
    text
}

/// A subflow as `ss -ti` prints it.
fn tcp(subflow: &SubflowReport, info: &MptcpReport) -> String {
    let mut text = format!(
        "{} -> {} {}",
        subflow.local, subflow.remote, subflow.congestion
    );
    if subflow.state != SocketState::Estab {
        text = text + " " + state(subflow.state);
    }
    let _ = write!(text, " rto:{}", subflow.rto_ms);
    if let Some((rtt, variation)) = subflow.rtt_us {
        let _ = write!(text, " rtt:{}/{}", millis(rtt), millis(variation));
    }
    let mss = subflow.mss.max(1);
    let _ = write!(
        text,
        " mss:{} pmtu:{} cwnd:{}",
        subflow.mss,
        subflow.pmtu,
        subflow.cwnd / mss
    );
    if let Some(ssthresh) = subflow.ssthresh {
        let _ = write!(text, " ssthresh:{}", ssthresh / mss);
    }
    let _ = write!(
        text,
        " bytes_sent:{} bytes_received:{}",
        subflow.bytes_sent, subflow.bytes_received
    );
    if subflow.retrans > 0 {
        let _ = write!(text, " retrans:{}", subflow.retrans);
    }
    if subflow.pacing_rate > 0 {
        let _ = write!(
            text,
            " pacing_rate {}bps",
            subflow.pacing_rate.saturating_mul(8)
        );
    }
    // The initial subflow has nothing that a join carried.
    let joined = subflow.id != 0;
    let remote = info.remote_token.filter(|_| joined).unwrap_or(0);
    let local = info.token.filter(|_| joined).unwrap_or(0);
    let _ = write!(
        text,
        " tcp-ulp-mptcp flags:{} token:{remote:04x}(id:{})/{local:04x}(id:{})",
        subflow.flags, subflow.remote_id, subflow.local_id
    );
    if let Some((dsn, ssn, len)) = subflow.mapping {
        let _ = write!(text, " seq:{dsn:x} sfseq:{ssn:x} maplen:{len:x}");
    }
    text
}

/// Microseconds as milliseconds with what is behind the point.
fn millis(micros: u64) -> String {
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(millis(1500), "1.5");
        assert_eq!(millis(20), "0.02");
        assert_eq!(millis(3000), "3");
    }

    #[test]
    fn what_is_zero_is_left_out() {
        let info = MptcpReport {
            remote_key: true,
            token: Some(0xbeef),
            subflows_total: 1,
            bytes_sent: 7,
            scheduler: "default".into(),
            path_manager: "fullmesh".into(),
            ..MptcpReport::default()
        };
        assert_eq!(
            mptcp(&info),
            "remote_key token:beef bytes_sent:7 subflows_total:1 scheduler:default \
             path_manager:fullmesh"
        );
    }
}
