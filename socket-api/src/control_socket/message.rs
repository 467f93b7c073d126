//! The lines that go over a control socket.
//!
//! Owns their types; how each looks in JSON follows from them, and is held fast by a test.

use super::report::SocketReport;
use crate::smapp::{Answer, Command, Event, EventMask, Query, Reply};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;

/// What a server says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the program.
    pub umptcp: String,
    /// The version of the protocol.
    pub protocol: u32,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Carries out a command of SMAPP. Gives [`Answered::Reply`].
    Command(Command),
    /// Looks something up. Gives [`Answered::Answer`].
    Query(Query),
    /// From now on these events come; with none, no longer. Gives [`Answered::Nothing`].
    Monitor {
        /// The bits of an [`EventMask`].
        events: EventMask,
        /// Connections and listeners that are there already are told of first, as if they were new.
        known: bool,
    },
    /// All sockets as `ss` shows them. Gives [`Answered::Sockets`].
    Sockets,
    /// The counters of `MPTcpExt`, in the kernel's order. Gives [`Answered::Counters`].
    Counters,
    /// The names of the interfaces, in the order of their positions. Gives
    /// [`Answered::Interfaces`].
    Interfaces,
}

/// What has come of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answered {
    /// It was carried out, and there is nothing to tell.
    Nothing,
    /// To [`Request::Command`].
    Reply(Reply),
    /// To [`Request::Query`].
    Answer(Answer),
    /// To [`Request::Sockets`].
    Sockets(Vec<SocketReport>),
    /// To [`Request::Counters`].
    Counters(Vec<(String, u64)>),
    /// To [`Request::Interfaces`].
    Interfaces(Vec<String>),
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The number of the error.
    pub errno: i32,
    /// Its name.
    pub name: String,
    /// What it means.
    pub text: String,
}

impl Failure {
    /// The failure with this number.
    #[must_use]
    pub fn of(errno: Errno) -> Self {
        Self {
            errno: errno as i32,
            name: format!("{errno:?}"),
            text: errno.desc().to_owned(),
        }
    }

    /// A line that could not be read.
    #[must_use]
    pub fn of_line(error: &serde_json::Error) -> Self {
        Self {
            text: format!("not understood: {error}"),
            ..Self::of(Errno::EBADMSG)
        }
    }

    /// The error as a number; one that this system does not know becomes `EPROTO`.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match Errno::from_raw(self.errno) {
            Errno::UnknownErrno => Errno::EPROTO,
            errno => errno,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.name)
    }
}

/// A line, from either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The first one, from the server.
    Hello {
        /// Who it is.
        hello: Hello,
    },
    /// From the client.
    Request {
        /// Its number.
        id: u64,
        /// What is asked for.
        request: Request,
    },
    /// From the server.
    Done {
        /// The number of the request.
        id: u64,
        /// What has come of it.
        done: Answered,
    },
    /// From the server.
    Failed {
        /// The number of the request; 0 if the line could not be read.
        id: u64,
        /// Why.
        failed: Failure,
    },
    /// From the server, to a client that monitors.
    Event {
        /// What happened.
        event: Happened,
    },
    /// From the server, to a client that monitors.
    Missed {
        /// So many events there was no room for.
        missed: u64,
    },
}

/// An event and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Since the stack was started.
    pub at: Duration,
    /// What happened.
    pub event: Event,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// It is not JSON, or not a line of this protocol.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The line as text, with its end.
    #[must_use]
    pub fn to_text(&self) -> String {
        // The types have no map whose keys are not strings, which is all that can fail.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smapp::{CreateSubflow, Token};

    fn holds(line: &Line, text: &str) {
        assert_eq!(line.to_text().trim_end(), text);
        assert_eq!(Line::parse(text).expect("a line"), *line);
    }

    /// Who speaks this protocol relies on how its lines look.
    #[test]
    fn lines_look_as_documented() {
        holds(
            &Line::Hello {
                hello: Hello {
                    umptcp: "0.1.0".into(),
                    protocol: 1,
                },
            },
            r#"{"hello":{"umptcp":"0.1.0","protocol":1}}"#,
        );
        let open = CreateSubflow::new(Token(1234), "10.0.0.1:80".parse().expect("an address"));
        holds(
            &Line::Request {
                id: 1,
                request: Request::Command(Command::CreateSubflow(open)),
            },
            "{\"id\":1,\"request\":{\"command\":{\"CreateSubflow\":{\"token\":1234,\
             \"local_id\":null,\"remote_id\":null,\"local\":null,\"local_port\":0,\
             \"remote\":\"10.0.0.1:80\",\"backup\":false,\"interface\":null}}}}",
        );
        holds(
            &Line::Request {
                id: 2,
                request: Request::Query(Query::Connection(Token(99))),
            },
            r#"{"id":2,"request":{"query":{"Connection":99}}}"#,
        );
        holds(
            &Line::Request {
                id: 3,
                request: Request::Sockets,
            },
            r#"{"id":3,"request":"sockets"}"#,
        );
        holds(
            &Line::Done {
                id: 1,
                done: Answered::Reply(Reply::Subflow { id: 2 }),
            },
            r#"{"id":1,"done":{"reply":{"Subflow":{"id":2}}}}"#,
        );
        holds(
            &Line::Failed {
                id: 2,
                failed: Failure::of(Errno::EINVAL),
            },
            r#"{"id":2,"failed":{"errno":22,"name":"EINVAL","text":"Invalid argument"}}"#,
        );
        holds(
            &Line::Event {
                event: Happened {
                    at: Duration::new(12, 345),
                    event: Event::Closed { token: Token(1234) },
                },
            },
            r#"{"event":{"at":{"secs":12,"nanos":345},"event":{"Closed":{"token":1234}}}}"#,
        );
        holds(&Line::Missed { missed: 17 }, r#"{"missed":17}"#);
    }

    #[test]
    fn fields_of_later_versions_are_ignored_and_nonsense_is_not_read() {
        let text = r#"{"hello":{"umptcp":"9","protocol":1,"mood":"good"}}"#;
        assert!(matches!(Line::parse(text), Ok(Line::Hello { .. })));
        for text in [
            "",
            "{}",
            "[]",
            r#"{"id":1}"#,
            r#"{"id":1,"request":"fly"}"#,
            "\u{0}",
        ] {
            assert!(Line::parse(text).is_err(), "{text:?}");
        }
    }
}
