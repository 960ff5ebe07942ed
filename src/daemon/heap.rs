//! Configures the memory allocator so that the short-lived data of watch events does not fragment
//! the heap.

/// Minimum size in bytes of an allocation that gets its own pages, which return to the system when
/// the allocation is freed.
///
/// Without this setting, glibc raises its threshold above the size of every allocation
/// (`mallopt(3)`), and the heap grew by 27 MiB instead of 3 MiB after 1,000 client reports in a
/// cluster with 100,000 clients.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: std::ffi::c_int = 32 << 10;

/// Sets the allocation size from which glibc uses separate pages. Must be called before any thread
/// starts.
pub fn set_mmap_threshold() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` takes two numbers and changes only later allocations, and no other thread
    // allocates at the same time. If `mallopt` rejects the size because it is more than half of a
    // glibc heap, nothing changes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    }
}
