//! A transfer while it runs: its clock, its watchdog and its cuts.

use super::hosts::Paths;
use super::options::Cut;
use super::report::CutReport;
use super::transfer::{SendError, receive, send};
use super::{DemoError, DemoOptions, Observer};
use crate::payload::BlockDigests;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// A transfer that moves nothing for so long has failed.
pub const STALL_LIMIT: Duration = Duration::from_secs(30);

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);

/// A transfer that came to its end.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) sent: BlockDigests,
    pub(super) received: BlockDigests,
    /// From the first write to the end of the stream at the receiver.
    pub(super) elapsed: Duration,
    pub(super) cuts: Vec<CutReport>,
}

/// Sends the payload from one stream to the other while paths go down as planned; gives both
/// streams back.
pub(super) async fn exchange<S, R>(
    sender: S,
    receiver: R,
    paths: &Paths,
    options: &DemoOptions,
    observer: &mut dyn Observer,
) -> Result<(S, R, Exchanged), DemoError>
where
    S: AsyncWrite + Unpin,
    R: AsyncRead + Unpin,
{
    let arrived = AtomicU64::new(0);
    let start = Instant::now();
    let mut sending = pin!(send(sender, options.payload.clone()));
    let mut receiving = pin!(receive(receiver, &arrived));
    let mut cuts = Cuts::new(&options.cuts, start, options.payload.len());
    let mut watchdog = Watchdog::new(start);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut sent, mut received) = (None, None);
    loop {
        tokio::select! {
            outcome = &mut sending, if sent.is_none() => sent = Some(outcome?),
            outcome = &mut receiving, if received.is_none() => {
                let (receiver, digests) = outcome.map_err(DemoError::Receive)?;
                received = Some((receiver, digests, start.elapsed()));
            }
            () = sleep_until(cuts.due()), if cuts.any_left() => {
                cuts.make_next(paths, arrived.load(Ordering::Relaxed)).await?;
            }
            now = ticks.tick() => {
                let arrived = arrived.load(Ordering::Relaxed);
                observer.progress(arrived);
                watchdog.look(now, arrived)?;
            }
        }
        match (sent, received) {
            (Some((sender, sent)), Some((receiver, received, elapsed))) => {
                let cuts = cuts.into_reports();
                return Ok((
                    sender,
                    receiver,
                    Exchanged {
                        sent,
                        received,
                        elapsed,
                        cuts,
                    },
                ));
            }
            unfinished => (sent, received) = unfinished,
        }
    }
}

impl From<SendError> for DemoError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Payload(error) => Self::Payload(error),
            SendError::Stream(error) => Self::Send(error),
        }
    }
}

/// The cuts in the order of their times, and how far they have got.
struct Cuts {
    planned: Vec<Cut>,
    made: Vec<CutReport>,
    start: Instant,
    total: u64,
}

impl Cuts {
    fn new(cuts: &[Cut], start: Instant, total: u64) -> Self {
        let mut planned = cuts.to_vec();
        planned.sort_by_key(|cut| cut.at);
        Self {
            planned,
            made: Vec::new(),
            start,
            total,
        }
    }

    fn next(&self) -> Option<Cut> {
        self.planned.get(self.made.len()).copied()
    }

    fn any_left(&self) -> bool {
        self.next().is_some()
    }

    /// When the next one is to be made; some time or other if there is none.
    fn due(&self) -> Instant {
        self.next().map_or(self.start, |cut| self.start + cut.at)
    }

    async fn make_next(&mut self, paths: &Paths, arrived: u64) -> Result<(), DemoError> {
        if let Some(cut) = self.next() {
            let path = cut.path;
            paths
                .cut(path)
                .await
                .map_err(|source| DemoError::Cut { path, source })?;
            self.made.push(report(cut, arrived < self.total));
        }
        Ok(())
    }

    /// Those that came too late were not made.
    fn into_reports(self) -> Vec<CutReport> {
        let Self {
            planned, mut made, ..
        } = self;
        made.extend(
            planned
                .iter()
                .skip(made.len())
                .map(|&cut| report(cut, false))
                .collect::<Vec<_>>(),
        );
        made
    }
}

fn report(cut: Cut, during_transfer: bool) -> CutReport {
    let at_ms = u64::try_from(cut.at.as_millis()).unwrap_or(u64::MAX);
    CutReport {
        path: cut.path,
        at_ms,
        during_transfer,
    }
}

/// Notices when nothing arrives any more.
struct Watchdog {
    arrived: u64,
    last_change: Instant,
}

impl Watchdog {
    const fn new(now: Instant) -> Self {
        Self {
            arrived: 0,
            last_change: now,
        }
    }

    fn look(&mut self, now: Instant, arrived: u64) -> Result<(), DemoError> {
        if arrived != self.arrived {
            *self = Self {
                arrived,
                last_change: now,
            };
        } else if now.duration_since(self.last_change) >= STALL_LIMIT {
            return Err(DemoError::Stalled { arrived });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;
    use crate::topology::{AddressPlan, Family, MemoryPaths};

    fn memory_paths() -> Paths {
        Paths::Memory(MemoryPaths::between_stacks(AddressPlan::new(Family::V4, 2)).0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_stands_still_is_given_up() {
        // Nobody reads the other end, and the pipe is full after a hundred bytes.
        let (near, _kept) = tokio::io::duplex(100);
        let (silent, _also_kept) = tokio::io::duplex(100);
        let options = DemoOptions::new(Payload::generated(1, 1000));
        let outcome = exchange(near, silent, &memory_paths(), &options, &mut ()).await;
        assert!(
            matches!(outcome, Err(DemoError::Stalled { arrived: 0 })),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn a_cut_after_the_end_is_told_from_one_in_time() {
        let (near, far) = tokio::io::duplex(4096);
        let mut options = DemoOptions::new(Payload::generated(1, 1 << 20));
        let cut = |path, at| Cut { path, at };
        options.cuts = vec![cut(1, Duration::from_secs(3600)), cut(0, Duration::ZERO)];
        let (_, _, ended) = exchange(near, far, &memory_paths(), &options, &mut ())
            .await
            .expect("a pipe that works");
        assert_eq!(ended.sent.first_difference(&ended.received), None);
        let cuts: Vec<(usize, bool)> = ended
            .cuts
            .iter()
            .map(|cut| (cut.path, cut.during_transfer))
            .collect();
        assert_eq!(cuts.last(), Some(&(1, false)));
        assert_eq!(cuts.first().map(|cut| cut.0), Some(0));
    }
}
