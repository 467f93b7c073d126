//! `umptcp endpoint`: the addresses that the stack's path manager may use, in the words of `ip mptcp
//! endpoint`.

use super::words::{Words, address};
use super::{Failed, command, print, unexpected};
use umptcp::control_socket::{Answered, ControlClient, Request};
use umptcp::smapp::{Answer, Command, EndpointFlags, EndpointKey, HostEndpoint, Query, Reply};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Show(Option<u8>),
    Add {
        endpoint: HostEndpoint,
        /// The interface, by its name.
        dev: Option<String>,
    },
    Delete(EndpointKey),
    Change {
        key: EndpointKey,
        backup: Option<bool>,
        fullmesh: Option<bool>,
    },
    Flush,
}

pub(super) fn parse(words: &[String]) -> Result<Wanted, String> {
    let mut words = Words::new(words);
    match words.next() {
        None | Some("show" | "list" | "ls") => {
            let id = match words.next() {
                None => None,
                Some("id") => Some(words.value("id")?),
                Some(other) => return Err(format!("{other:?} does not belong here")),
            };
            words.end()?;
            Ok(Wanted::Show(id))
        }
        Some("add") => add(words),
        Some("del" | "delete") => delete(words),
        Some("change" | "set") => change(words),
        Some("flush") => words.end().map(|()| Wanted::Flush),
        Some(other) => Err(format!(
            "{other:?}: an endpoint can be shown, added, deleted, changed, and all be flushed"
        )),
    }
}

fn add(mut words: Words<'_>) -> Result<Wanted, String> {
    let first = words.next().ok_or("endpoint add needs an address")?;
    let mut endpoint = HostEndpoint {
        id: 0,
        address: address(first)?,
        port: None,
        flags: EndpointFlags::default(),
        interface: None,
    };
    let mut dev = None;
    while let Some(word) = words.next() {
        match word {
            "dev" => dev = Some(words.value("dev")?),
            "id" => endpoint.id = words.value("id")?,
            "port" => endpoint.port = Some(words.value("port")?),
            "signal" => endpoint.flags.signal = true,
            "subflow" => endpoint.flags.subflow = true,
            "backup" => endpoint.flags.backup = true,
            "fullmesh" => endpoint.flags.fullmesh = true,
            "laminar" => endpoint.flags.laminar = true,
            other => return Err(format!("{other:?} does not belong here")),
        }
    }
    Ok(Wanted::Add { endpoint, dev })
}

fn delete(mut words: Words<'_>) -> Result<Wanted, String> {
    match words.next() {
        Some("id") => {}
        _ => return Err("endpoint delete needs: id N [ADDRESS]".into()),
    }
    let id = words.value("id")?;
    let given = words.next().map(address).transpose()?;
    words.end()?;
    if id == 0 && given.is_none() {
        return Err(
            "id 0 stands for the initial subflow of every connection: say which address".into(),
        );
    }
    Ok(Wanted::Delete(EndpointKey {
        id: Some(id),
        address: given,
        port: None,
    }))
}

fn change(mut words: Words<'_>) -> Result<Wanted, String> {
    let mut key = EndpointKey::default();
    match words.next() {
        Some("id") => key.id = Some(words.value("id")?),
        Some(word) => key.address = Some(address(word)?),
        None => return Err("endpoint change needs an id or an address".into()),
    }
    let (mut backup, mut fullmesh) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "port" => key.port = Some(words.value("port")?),
            "backup" => backup = Some(true),
            "nobackup" => backup = Some(false),
            "fullmesh" => fullmesh = Some(true),
            "nofullmesh" => fullmesh = Some(false),
            other => {
                return Err(format!(
                    "{other:?}: backup, nobackup, fullmesh and nofullmesh can be changed"
                ));
            }
        }
    }
    Ok(Wanted::Change {
        key,
        backup,
        fullmesh,
    })
}

pub(super) fn run(client: &mut ControlClient, wanted: &Wanted) -> Result<(), Failed> {
    match wanted {
        Wanted::Show(id) => show(client, *id),
        Wanted::Add { endpoint, dev } => {
            let interface = match dev {
                None => None,
                Some(name) => Some(position(client, name)?),
            };
            let endpoint = HostEndpoint {
                interface,
                ..*endpoint
            };
            command(client, Command::AddEndpoint(endpoint)).map(drop)
        }
        Wanted::Delete(key) => command(client, Command::RemoveEndpoint(*key)).map(drop),
        Wanted::Flush => command(client, Command::FlushEndpoints).map(drop),
        Wanted::Change {
            key,
            backup,
            fullmesh,
        } => {
            let same = |known: &&HostEndpoint| match (key.id, key.address) {
                (Some(id), _) => known.id == id,
                (None, address) => Some(known.address) == address && known.port == key.port,
            };
            let known = endpoints(client)?;
            let known = known
                .iter()
                .find(same)
                .ok_or_else(|| Failed::CouldNot("there is no such endpoint".into()))?;
            let flags = EndpointFlags {
                backup: backup.unwrap_or(known.flags.backup),
                fullmesh: fullmesh.unwrap_or(known.flags.fullmesh),
                ..known.flags
            };
            match command(client, Command::SetEndpointFlags(*key, flags))? {
                Reply::Done => Ok(()),
                other => Err(unexpected(&Answered::Reply(other))),
            }
        }
    }
}

fn endpoints(client: &mut ControlClient) -> Result<Vec<HostEndpoint>, Failed> {
    match client.request(Request::Query(Query::Endpoints))? {
        Answered::Answer(Answer::Endpoints(endpoints)) => Ok(endpoints),
        other => Err(unexpected(&other)),
    }
}

fn interfaces(client: &mut ControlClient) -> Result<Vec<String>, Failed> {
    match client.request(Request::Interfaces)? {
        Answered::Interfaces(names) => Ok(names),
        other => Err(unexpected(&other)),
    }
}

fn position(client: &mut ControlClient, name: &str) -> Result<u32, Failed> {
    let names = interfaces(client)?;
    let found = names.iter().position(|known| known == name);
    let position = found.and_then(|position| u32::try_from(position).ok());
    position.ok_or_else(|| {
        Failed::CouldNot(format!(
            "{name}: the stack has the interfaces {}",
            names.join(", ")
        ))
    })
}

fn show(client: &mut ControlClient, id: Option<u8>) -> Result<(), Failed> {
    let names = interfaces(client)?;
    let mut found = false;
    for endpoint in endpoints(client)? {
        if id.is_none_or(|id| id == endpoint.id) {
            found = true;
            print(&line(&endpoint, &names))?;
        }
    }
    match id {
        Some(id) if !found => Err(Failed::CouldNot(format!(
            "there is no endpoint with id {id}"
        ))),
        _ => Ok(()),
    }
}

/// As `ip mptcp endpoint show` prints one.
fn line(endpoint: &HostEndpoint, names: &[String]) -> String {
    let mut line = endpoint.address.to_string();
    if let Some(port) = endpoint.port {
        line += &format!(" port {port}");
    }
    line += &format!(" id {}", endpoint.id);
    let flags = endpoint.flags;
    for (name, set) in [
        ("signal", flags.signal),
        ("subflow", flags.subflow),
        ("backup", flags.backup),
        ("fullmesh", flags.fullmesh),
        ("implicit", flags.implicit),
        ("laminar", flags.laminar),
    ] {
        if set {
            line = line + " " + name;
        }
    }
    let name = endpoint
        .interface
        .and_then(|position| names.get(usize::try_from(position).ok()?));
    match name {
        Some(name) => line + " dev " + name,
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn parsed(text: &str) -> Result<Wanted, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn the_words_of_ip_are_understood() {
        let address: IpAddr = "10.0.0.1".parse().expect("an address");
        let endpoint = HostEndpoint {
            id: 3,
            address,
            port: Some(80),
            flags: EndpointFlags {
                signal: true,
                backup: true,
                ..EndpointFlags::default()
            },
            interface: None,
        };
        let dev = Some("tun0".to_owned());
        let wanted = parsed("add 10.0.0.1 dev tun0 id 3 port 80 signal backup");
        assert_eq!(wanted, Ok(Wanted::Add { endpoint, dev }));
        assert_eq!(line(&endpoint, &[]), "10.0.0.1 port 80 id 3 signal backup");
        let key = EndpointKey {
            id: Some(3),
            ..EndpointKey::default()
        };
        assert_eq!(parsed("delete id 3"), Ok(Wanted::Delete(key)));
        assert_eq!(
            parsed("change id 3 nobackup fullmesh"),
            Ok(Wanted::Change {
                key,
                backup: Some(false),
                fullmesh: Some(true),
            })
        );
        assert_eq!(parsed(""), Ok(Wanted::Show(None)));
        assert_eq!(parsed("show id 9"), Ok(Wanted::Show(Some(9))));
        assert_eq!(parsed("flush"), Ok(Wanted::Flush));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("add", "needs an address"),
            ("add nowhere", "no IP address"),
            ("add 10.0.0.1 port", "needs a value"),
            ("add 10.0.0.1 id 999", "no value for id"),
            ("add 10.0.0.1 fast", "does not belong"),
            ("delete", "id N"),
            ("delete id 0", "which address"),
            ("change id 1 signal", "can be changed"),
            ("burn", "can be shown"),
            ("show id 1 2", "does not belong"),
        ] {
            let why = parsed(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
