//! Large allocations have pages of their own. In a test program of its own: it sets the allocator of
//! the whole process.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use clientfleet::controller::heap;

/// glibc puts two words before what it hands out.
const HEAD: usize = 16;

fn has_its_own_pages(allocation: &[u8]) -> bool {
    allocation.as_ptr().addr() % 4096 == HEAD
}

#[test]
fn what_is_large_leaves_no_holes_in_the_heap() {
    // In the heap they would lie one behind the other, which no page's size divides.
    let make = |bytes: usize| -> Vec<Vec<u8>> { (0..8).map(|_| vec![1; bytes]).collect() };
    let before = make(40_000);
    assert!(!before.iter().all(|one| has_its_own_pages(one)), "glibc's own limit is higher");
    heap::set_mmap_threshold();
    assert!(make(40_000).iter().all(|one| has_its_own_pages(one)));
    assert!(!make(20_000).iter().all(|one| has_its_own_pages(one)), "what is small has not");
}
