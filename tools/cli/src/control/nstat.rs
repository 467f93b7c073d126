//! `umptcp nstat`: the counters of `MPTcpExt`, under the names that `nstat` has for them.

use super::args::NstatArgs;
use super::{Failed, print, unexpected};
use umptcp::control_socket::{Answered, ControlClient, Request};

pub(super) fn run(client: &mut ControlClient, args: &NstatArgs) -> Result<(), Failed> {
    let counters = match client.request(Request::Counters)? {
        Answered::Counters(counters) => counters,
        other => return Err(unexpected(&other)),
    };
    let shown = counters
        .into_iter()
        .filter(|(name, value)| (args.zeros || *value > 0) && is_wanted(name, &args.names));
    if args.json {
        let object: serde_json::Map<_, _> = shown
            .map(|(name, value)| (format!("MPTcpExt{name}"), value.into()))
            .collect();
        return print(&serde_json::Value::Object(object).to_string());
    }
    print("#umptcp")?;
    for (name, value) in shown {
        print(&format!("{:<32}{value:<16}0.0", format!("MPTcpExt{name}")))?;
    }
    Ok(())
}

/// Without names all are wanted; a name may leave the prefix out.
fn is_wanted(name: &str, wanted: &[String]) -> bool {
    let same = |wanted: &String| wanted.strip_prefix("MPTcpExt").unwrap_or(wanted) == name;
    wanted.is_empty() || wanted.iter().any(same)
}
