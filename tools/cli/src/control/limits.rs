//! `umptcp limits`: how much the stack's path manager may do for each connection, in the words of `ip
//! mptcp limits`.

use super::words::Words;
use super::{Failed, command, print, unexpected};
use umptcp::control_socket::{Answered, ControlClient, Request};
use umptcp::smapp::{Answer, Command, Limits, Query};

/// What is to be done: nothing to change shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    subflows: Option<u8>,
    add_addr_accepted: Option<u8>,
}

pub(super) fn parse(words: &[String]) -> Result<Wanted, String> {
    let mut words = Words::new(words);
    let mut wanted = Wanted::default();
    match words.next() {
        None | Some("show") => {
            words.end()?;
            return Ok(wanted);
        }
        Some("set") => {}
        Some(other) => return Err(format!("{other:?}: limits can be shown and set")),
    }
    while let Some(word) = words.next() {
        match word {
            "subflow" | "subflows" => wanted.subflows = Some(words.value(word)?),
            "add_addr_accepted" => wanted.add_addr_accepted = Some(words.value(word)?),
            other => return Err(format!("{other:?} is no limit")),
        }
    }
    if wanted == Wanted::default() {
        return Err("limits set needs subflow N or add_addr_accepted N".into());
    }
    Ok(wanted)
}

pub(super) fn run(client: &mut ControlClient, wanted: Wanted) -> Result<(), Failed> {
    let known = match client.request(Request::Query(Query::Limits))? {
        Answered::Answer(Answer::Limits(limits)) => limits,
        other => return Err(unexpected(&other)),
    };
    if wanted == Wanted::default() {
        return print(&format!(
            "add_addr_accepted {} subflows {}",
            known.add_addr_accepted, known.subflows
        ));
    }
    let limits = Limits {
        subflows: wanted.subflows.unwrap_or(known.subflows),
        add_addr_accepted: wanted.add_addr_accepted.unwrap_or(known.add_addr_accepted),
    };
    command(client, Command::SetLimits(limits)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let parsed = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            parse(&words)
        };
        assert_eq!(parsed(""), Ok(Wanted::default()));
        assert_eq!(
            parsed("set subflow 4 add_addr_accepted 3"),
            Ok(Wanted {
                subflows: Some(4),
                add_addr_accepted: Some(3),
            })
        );
        for wrong in [
            "set",
            "set subflow",
            "set subflow 1000",
            "set speed 3",
            "grow",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
