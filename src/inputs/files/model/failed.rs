//! Programs that found a mistake once.

use super::{
    Model, Settings,
    program::Action::{self, *},
};

fn check(pattern: &'static str, open_max: usize, actions: &[Action]) {
    let mut model = Model::new(pattern, open_max, Settings::default());
    actions.iter().for_each(|action| model.act(action));
    model.check();
}

fn write(file: u8) -> Action {
    Write { file, lines: 1, length: 4 }
}

fn compress(file: u8, between_ms: u16) -> Action {
    Compress { file, members: 1, between_ms }
}

fn copy_truncate(file: u8, between_ms: u16) -> Action {
    CopyTruncate { file, between_ms, late: 0 }
}

#[test]
fn a_half_written_compressed_copy_of_a_truncated_file() {
    check("/logs/*", 256, &[Down(vec![write(2)]), copy_truncate(2, 4900), write(0), compress(2, 100)]);
}

#[test]
fn a_copy_of_a_closed_file() {
    check("/logs/*", 1, &[write(0), Down(vec![write(2)]), write(1), copy_truncate(1, 100)]);
}

#[test]
fn a_file_without_a_name_takes_no_place_of_others() {
    let actions = [write(1), Run { ms: 100 }, Rename { file: 1 }, write(2), Run { ms: 1500 }, Truncate { file: 2 }];
    check("/logs/*.log", 1, &actions);
}

#[test]
fn inodes_of_closed_files_are_used_again() {
    let (delete, recreate, rename) = (|file| Delete { file }, |file| Recreate { file }, |file| Rename { file });
    let run = |ms| Run { ms };
    check("/logs/*", 1, &[write(1), Begin { file: 0 }, rename(0), compress(0, 200), recreate(1), Full { ms: 0 }]);
    check("/logs/*", 1, &[write(0), recreate(1), run(100), delete(0), copy_truncate(1, 0)]);
    check("/logs/*", 1, &[write(1), rename(1), write(2), recreate(1), run(600), recreate(1)]);
    check("/logs/*", 1, &[recreate(2), copy_truncate(2, 0), run(100), delete(2), compress(2, 0)]);
    let down = Down(vec![rename(1), write(2)]);
    check("/logs/*", 1, &[write(1), run(600), down, compress(1, 0), delete(2), write(2)]);
    let actions = [write(0), copy_truncate(0, 600), run(0), write(1), copy_truncate(1, 100), delete(0), compress(0, 0)];
    check("/logs/*.log", 1, &actions);
}

#[test]
fn a_file_that_has_a_name_again_is_read_at_once() {
    let (recreate, run) = (|file| Recreate { file }, |ms| Run { ms });
    let gone = [write(0), write(2), Rename { file: 0 }, compress(0, 0), run(100), recreate(2), run(7000)];
    check("/logs/*", 1, &[&gone[..], &[write(0), run(1500), recreate(0)]].concat());
}

#[test]
fn a_half_written_compressed_copy_with_the_inode_of_a_closed_file() {
    let actions = [
        write(0),
        Down(vec![Write { file: 2, lines: 1, length: 40 }]),
        Rename { file: 2 },
        Delete { file: 0 },
        Run { ms: 1 },
        compress(2, 100),
        write(0),
    ];
    check("/logs/*", 1, &actions);
}

#[test]
fn a_copy_of_a_closed_file_that_is_deleted_before_it_is_seen_to_shrink() {
    let recreate = |file| Recreate { file };
    let actions = [
        Down(vec![write(2), write(1)]),
        recreate(1),
        Full { ms: 100 },
        recreate(1),
        copy_truncate(2, 0),
        write(0),
        copy_truncate(1, 100),
        Delete { file: 1 },
    ];
    check("/logs/*", 1, &actions);
}
