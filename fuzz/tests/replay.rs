//! Every seed, and every input that once broke something, through the target it belongs to.

use std::path::PathBuf;
use umptcp_fuzz::TARGETS;

#[test]
fn replay_all_seeds() {
    for (name, target) in TARGETS {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(name);
        let mut replayed = 0;
        for entry in folder
            .read_dir()
            .unwrap_or_else(|error| panic!("{folder:?}: {error}"))
        {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            // The name of the seed, should the target panic.
            println!("{}", path.display());
            target(&data);
            replayed += 1;
        }
        assert!(replayed > 0, "no seeds in {folder:?}");
    }
}
