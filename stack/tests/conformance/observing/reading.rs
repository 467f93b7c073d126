//! Looking at what has come without taking it, and wanting to be told.

use crate::peer::{Scene, Setup, VERSIONS, all_setups};
use umptcp_stack::{CloseReason, Event, ReadError, WriteError};

fn readable(scene: &mut Scene) -> usize {
    let readable = |event: &&Event| matches!(event, Event::Readable(_));
    scene.events().iter().filter(readable).count()
}

#[test]
fn what_was_peeked_at_is_read_again() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let id = scene.connection();
        let mut buffer = [0; 8];
        let blocked = Err(ReadError::Blocked);
        assert_eq!(scene.endpoint.peek(id, &mut buffer), blocked);
        assert_eq!(scene.endpoint.peek(id, &mut []), Ok(0));
        scene.data(0, b"two ");
        scene.data(0, b"pieces");
        assert_eq!(readable(&mut scene), 1, "it was wanted");
        for _ in 0..2 {
            assert_eq!(scene.endpoint.peek(id, &mut buffer), Ok(8));
            assert_eq!(&buffer, b"two piec");
            assert_eq!(scene.info().unread, 10);
        }
        assert_eq!(scene.endpoint.peek(id, &mut buffer[..3]), Ok(3));
        assert_eq!(scene.read(), b"two pieces");
        scene.data_fin(0);
        assert_eq!(scene.endpoint.peek(id, &mut buffer), Ok(0), "the end");
        scene.abort();
        let closed = Err(ReadError::Closed(CloseReason::Aborted));
        assert_eq!(scene.endpoint.peek(id, &mut buffer), closed);
        scene.release();
        for subflow in 0..scene.peer.subflows.len() {
            scene.rst(subflow, []);
        }
        let unknown = Err(ReadError::UnknownConnection);
        assert_eq!(scene.endpoint.peek(id, &mut buffer), unknown);
        assert_eq!(
            scene.endpoint.want_read(id),
            Err(ReadError::UnknownConnection)
        );
        let unknown = Err(WriteError::UnknownConnection);
        assert_eq!(scene.endpoint.want_write(id), unknown);
    }
}

#[test]
fn readiness_is_told_without_a_read() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let id = scene.connection();
        assert_eq!(scene.endpoint.want_read(id), Ok(false));
        scene.data(0, b"some");
        assert_eq!(readable(&mut scene), 1);
        assert_eq!(scene.endpoint.want_read(id), Ok(true));
        scene.data(0, b" more");
        assert_eq!(readable(&mut scene), 0, "nobody has waited");
        assert_eq!(scene.read(), b"some more");
        assert_eq!(scene.endpoint.want_read(id), Ok(false));
        scene.data_fin(0);
        assert_eq!(
            scene.endpoint.want_read(id),
            Ok(true),
            "the end can be read"
        );
        assert_eq!(readable(&mut scene), 1);
    }
}

#[test]
fn room_is_told_without_a_write() {
    for version in VERSIONS {
        let setup = Setup::client(version).tune(|config| config.send_buffer = 4096);
        let mut scene = Scene::confirmed(setup);
        let id = scene.connection();
        assert_eq!(scene.endpoint.want_write(id), Ok(true));
        scene.write(&[7; 4096]);
        assert_eq!(scene.endpoint.want_write(id), Ok(false));
        assert_eq!(scene.info().send_room, 0);
        scene.advance_ms(100);
        scene.data_ack(0);
        assert!(scene.events().contains(&Event::Writable(id)));
        assert_eq!(scene.endpoint.want_write(id), Ok(true));
        scene.shutdown();
        // A write would fail at once.
        assert_eq!(scene.endpoint.want_write(id), Ok(true));
    }
}
