//! Tests that large allocations get their own memory pages. This test is a separate program,
//! because it configures the allocator of the whole process.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use clientfleet::controller::heap;

/// Size in bytes of the header of two words that glibc puts before each allocation.
const HEAD: usize = 16;

fn has_its_own_pages(allocation: &[u8]) -> bool {
    allocation.as_ptr().addr() % 4096 == HEAD
}

#[test]
fn what_is_large_leaves_no_holes_in_the_heap() {
    // On the heap the allocations would be adjacent. Their size is not a multiple of the page size,
    // so they would start at different offsets within a page.
    let make = |bytes: usize| -> Vec<Vec<u8>> { (0..8).map(|_| vec![1; bytes]).collect() };
    let before = make(40_000);
    assert!(!before.iter().all(|one| has_its_own_pages(one)), "glibc's own limit is higher");
    heap::set_mmap_threshold();
    assert!(make(40_000).iter().all(|one| has_its_own_pages(one)));
    assert!(!make(20_000).iter().all(|one| has_its_own_pages(one)), "what is small has not");
}
