//! How the memory allocator is set, so that what comes and goes with each event leaves no holes.

/// From this size on, in bytes, an allocation has pages of its own, which the system has back as soon
/// as it is freed.
///
/// A fleet's event is a line of a quarter of a megabyte, of which a few KiB stay. In glibc's heap what
/// stays comes to lie above what goes: 27 MiB more after 1,000 reports among 100,000 clients, and 3 with
/// this. Its own limit begins at four times this and grows with what is freed (`mallopt(3)`), soon
/// beyond all that is read here. musl's has that of 128 KiB, for good, and smaller ones in groups of a size.
#[cfg(target_env = "gnu")]
const OWN_PAGES_FROM: std::ffi::c_int = 32 << 10;

/// Sets it, for the rest of the process. To be called before there are threads.
pub fn set() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers and changes what glibc does at its next allocation; no other thread
    // allocates meanwhile. It fails for a size above half of a heap alone, and changes nothing then.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_FROM);
    }
}
