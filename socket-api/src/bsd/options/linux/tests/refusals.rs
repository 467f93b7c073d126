//! Every option number at every level, on a stack with the profile `Linux`, against what the kernel
//! gives (`linux-6.18.txt`).

use super::{Scene, Stage};
use crate::bsd::{Family, OptionProfile};
use std::collections::BTreeSet;

const MEASURED: &str = include_str!("linux-6.18.txt");

/// A row of the table: what both calls give at each stage.
struct Row {
    family: Family,
    level: i32,
    names: Vec<i32>,
    get: [String; 4],
    set: [String; 4],
}

fn rows() -> Vec<Row> {
    let lines = MEASURED.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split("; ").collect();
            let [place, get, set] = parts[..] else {
                panic!("{line}");
            };
            let place: Vec<&str> = place.split(' ').collect();
            let [family, level, names] = place[..] else {
                panic!("{line}");
            };
            Row {
                family: if family == "4" {
                    Family::V4
                } else {
                    Family::V6
                },
                level: level.parse().expect("a level"),
                names: names.split(',').flat_map(numbers).collect(),
                get: outcomes(get),
                set: outcomes(set),
            }
        })
        .collect()
}

/// `3` or `3-5`.
fn numbers(text: &str) -> Vec<i32> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().expect("a number")..=last.parse().expect("a number")).collect()
}

fn outcomes(text: &str) -> [String; 4] {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [all] => std::array::from_fn(|_| all.to_owned()),
        [a, b, c, d] => [a, b, c, d].map(str::to_owned),
        _ => panic!("{text}"),
    }
}

fn outcome<T>(result: Result<T, crate::bsd::Errno>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(errno) => format!("{errno:?}"),
    }
}

/// Level, numbers, and why this stack refuses what Linux takes, or refuses it with another number.
const DIFFERENCES: [(i32, &[i32], &str); 8] = [
    (
        libc::SOL_SOCKET,
        &[29, 35, 37, 63, 64, 65],
        "no device gives times of packets",
    ),
    (
        libc::SOL_SOCKET,
        &[
            17, 26, 28, 48, 55, 56, 57, 59, 61, 71, 72, 73, 74, 75, 77, 82, 83,
        ],
        "what is inside of a kernel, or for sockets of other kinds",
    ),
    (
        libc::SOL_SOCKET,
        &[27, 31, 50, 51, 52, 53, 68],
        "may only be set there, and the stack knows none of it",
    ),
    (libc::IPPROTO_TCP, &[23, 30, 33, 34], "no fast open"),
    (
        libc::IPPROTO_TCP,
        &[
            10, 14, 16, 17, 19, 20, 21, 22, 24, 27, 28, 29, 32, 35, 37, 44, 45,
        ],
        "plain TCP without repair, signatures, thin streams and the like",
    ),
    (
        libc::IPPROTO_IP,
        &[
            3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19, 20, 21, 22, 23, 25, 26, 32, 33, 34,
            41, 48, 49, 50, 52,
        ],
        "IP of plain TCP without options, errors, multicast and the like; sources that are not ours",
    ),
    (
        libc::IPPROTO_IPV6,
        &[
            1, 2, 3, 4, 5, 6, 8, 11, 17, 18, 19, 22, 23, 24, 25, 29, 30, 31, 32, 33, 48, 49, 50,
            51, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 64, 65, 66, 68, 69, 70, 72, 73, 74, 75, 76,
            77,
        ],
        "the same for IPv6",
    ),
    (
        libc::IPPROTO_IPV6,
        &[26, 78],
        "set on a connected socket of IPv4: Linux says that it is too late",
    ),
];

fn is_listed(level: i32, name: i32) -> bool {
    let mut of_level = DIFFERENCES.iter().filter(|(of, _, _)| *of == level);
    of_level.any(|(_, names, _)| names.contains(&name))
}

#[test]
fn every_number_gives_what_linux_gives_but_for_those_that_are_listed() {
    let mut differing = BTreeSet::new();
    for row in rows() {
        for &name in &row.names {
            for (index, stage) in Stage::ALL.into_iter().enumerate() {
                let mut scene = Scene::new(OptionProfile::Linux, row.family, stage);
                let get = outcome(scene.get(row.level, name, &mut [0; 280]));
                let set = outcome(scene.set_int(row.level, name, 1));
                for (call, ours, theirs) in
                    [("get", get, &row.get[index]), ("set", set, &row.set[index])]
                {
                    if ours == *theirs {
                        continue;
                    }
                    let text = format!(
                        "{:?} {} {name} {call} {stage:?}: {ours}, Linux {theirs}",
                        row.family, row.level
                    );
                    assert!(is_listed(row.level, name), "{text}");
                    // What cannot be done is never taken.
                    assert!(ours == "EOPNOTSUPP" || ours == "ENOPROTOOPT", "{text}");
                    differing.insert((row.level, name));
                }
            }
        }
    }
    for (level, names, why) in DIFFERENCES {
        for &name in names {
            let there = differing.contains(&(level, name));
            assert!(there, "{level} {name} is as in Linux: not {why}");
        }
    }
}
