use std::cell::RefCell;
use std::convert::Infallible;

use tlog_tiles::tlog;

use super::*;

/// Everything that the other implementation of the tree has stored so far.
#[derive(Default)]
struct Oracle(RefCell<Vec<tlog::Hash>>);

impl tlog::HashReader for Oracle {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let stored = self.0.borrow();
        Ok(indexes
            .iter()
            .map(|i| stored[usize::try_from(*i).expect("small")])
            .collect())
    }
}

impl Oracle {
    fn push(&self, n: u64, entry: &[u8]) {
        let hashes = tlog::stored_hashes(n, entry, self).expect("oracle stores");
        self.0.borrow_mut().extend(hashes);
    }
}

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

fn push(tree: &mut Tree, entry: &[u8]) {
    let pushed: Result<(), Infallible> = tree.push(leaf_hash(entry), |_, _| Ok(()));
    pushed.expect("infallible");
}

#[test]
fn an_empty_tree_has_the_known_root() {
    assert_eq!(Tree::default().root(), tlog::EMPTY_HASH.0);
}

#[test]
fn roots_equal_those_of_an_independent_implementation_at_each_size() {
    let oracle = Oracle::default();
    let mut tree = Tree::default();
    for n in 0..70_000 {
        oracle.push(n, &entry(n));
        push(&mut tree, &entry(n));
        if n < 600 || n % 997 == 0 || (65_530..65_800).contains(&n) {
            let root = tlog::tree_hash(n + 1, &oracle).expect("oracle hashes");
            assert_eq!(tree.root(), root.0, "size {}", n + 1);
        }
    }
}

#[test]
fn a_proof_by_the_independent_implementation_holds_against_our_root() {
    let oracle = Oracle::default();
    let mut tree = Tree::default();
    for n in 0..1_000 {
        oracle.push(n, &entry(n));
        push(&mut tree, &entry(n));
    }
    let root = tlog::Hash(tree.root());
    for n in [0, 1, 255, 256, 511, 999] {
        let proof = tlog::prove_record(1_000, n, &oracle).expect("proof");
        tlog::check_record(&proof, 1_000, root, n, tlog::Hash(leaf_hash(&entry(n)))).expect("holds");
    }
}

#[test]
fn a_tree_loads_from_its_partial_tiles() {
    let mut tree = Tree::default();
    for n in 0..66_000 {
        push(&mut tree, &entry(n));
    }
    let loaded: Result<_, Infallible> = Tree::load(66_000, |id| Ok(tree.edge(id.level)[..id.width].to_vec()));
    let loaded = loaded.expect("infallible");
    assert_eq!(loaded.root(), tree.root());
    assert_eq!(loaded.size(), tree.size());
}

#[test]
fn full_tiles_are_numbered_as_the_specification_says() {
    let mut tree = Tree::default();
    let mut seen = Vec::new();
    for n in 0..65_536 * 2 {
        let pushed: Result<(), Infallible> = tree.push(leaf_hash(&entry(n)), |id, hashes| {
            assert_eq!(hashes.len(), TILE_WIDTH);
            if id.level > 0 || id.index % 256 == 0 {
                seen.push((id.level, id.index));
            }
            Ok(())
        });
        pushed.expect("infallible");
    }
    assert_eq!(seen, [(0, 0), (1, 0), (0, 256), (1, 1)]);
    let partial: Vec<_> = partial_tiles(131_072)
        .map(|t| (t.level, t.index, t.width))
        .collect();
    assert_eq!(partial, [(2, 0, 2)]);
}
