//! Configures the memory allocator so that the short-lived data of watch events does not fragment
//! the heap.

/// Size in bytes from which an allocation gets its own pages, which return to the system when it is
/// freed.
///
/// A watch event of a fleet is a line of a quarter of a megabyte, of which a few KiB are kept. In
/// the glibc heap the kept parts end up above the freed ones, which then cannot return to the
/// system. After 1,000 reports among 100,000 clients the heap had grown by 27 MiB, and by 3 MiB
/// with this setting. The default threshold of glibc is four times as high and grows with the sizes
/// that are freed (`mallopt(3)`), soon beyond everything that the controller reads. The threshold
/// of musl is fixed at 128 KiB, and musl allocates smaller blocks in groups of equal size.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: std::ffi::c_int = 32 << 10;

/// Sets the threshold for the rest of the process. Must be called before any thread starts.
pub fn set_mmap_threshold() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` takes two numbers and changes only later allocations; no other thread
    // allocates at the same time. It fails only for a size above half of a heap, and then changes
    // nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    }
}
