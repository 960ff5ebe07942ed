//! Tests that the allocator places each large allocation in its own memory pages. The test needs
//! its own process, because it configures the allocator for the whole process.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use clientfleet::daemon::heap;

/// Size in bytes of the header that glibc puts before each allocation: twice the size of a pointer.
const HEAD: usize = 16;

fn has_its_own_pages(allocation: &[u8]) -> bool {
    allocation.as_ptr().addr() % 4096 == HEAD
}

#[test]
fn what_is_large_leaves_no_holes_in_the_heap() {
    // Allocations on the heap are adjacent, and the tested sizes are not multiples of the page
    // size. Heap allocations therefore start at different offsets within a page, unlike allocations
    // with their own pages.
    let make = |bytes: usize| -> Vec<Vec<u8>> { (0..8).map(|_| vec![1; bytes]).collect() };
    let before = make(40_000);
    assert!(!before.iter().all(|one| has_its_own_pages(one)), "glibc's own limit is higher");
    heap::set_mmap_threshold();
    assert!(make(40_000).iter().all(|one| has_its_own_pages(one)));
    assert!(!make(20_000).iter().all(|one| has_its_own_pages(one)), "what is small has not");
}
