//! A process that tries what it must not be able to do, and prints what came of it.
//!
//! `trespasser COMMAND ARGUMENT`; the commands are the functions below.

use dmxp::RegionOptions;
use std::error::Error as StdError;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

type Outcome = Result<(), Box<dyn StdError>>;

/// What a system call answered, by the name of the error.
fn said(call: &str, answer: i32) {
    let error = io::Error::last_os_error();
    let name = match (answer, error.raw_os_error()) {
        (0, _) => "done".into(),
        (_, Some(libc::EPERM)) => "EPERM".into(),
        (_, Some(libc::EACCES)) => "EACCES".into(),
        (_, other) => format!("{other:?}"),
    };
    println!("{call} {name}");
}

/// `truncate SOCKET`: receives a region over an inherited socket, and tries to change its length in every way, and its seals.
fn truncate(socket: &str) -> Outcome {
    // SAFETY: the test left it open for this.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(socket.parse()?) });
    let region = RegionOptions::new().receive(&stream, Duration::from_secs(60))?;
    let size = libc::off_t::try_from(region.info().size)?;
    let descriptor = region.descriptor()?;
    let fd = descriptor.as_raw_fd();
    for (call, len) in [("empty", 0), ("shrink", size - 4_096), ("grow", size + 4_096)] {
        // SAFETY: plain integers.
        said(call, unsafe { libc::ftruncate(fd, len) });
    }
    // SAFETY: plain integers.
    said("extend", unsafe { libc::fallocate(fd, 0, size, 4_096) });
    // SAFETY: plain integers.
    said("seal", unsafe {
        libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE)
    });
    Ok(())
}

/// Where the region's file is mapped, how long, and with which rights.
fn mapped(name: &str) -> Result<(*mut u8, usize, String), Box<dyn StdError>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let line = maps.lines().find(|line| line.ends_with(&format!("/{name}")));
    let mut words = line.ok_or("the region is not mapped")?.split_ascii_whitespace();
    let (start, end) = words.next().and_then(|range| range.split_once('-')).ok_or("a range")?;
    let (start, end) = (usize::from_str_radix(start, 16)?, usize::from_str_radix(end, 16)?);
    let rights = words.next().ok_or("rights")?.to_owned();
    Ok((core::ptr::with_exposed_provenance_mut(start), end - start, rights))
}

/// `write REGION`: attaches read-only, tries to make the mapping writable, and writes to it all the same.
fn write(name: &str) -> Outcome {
    let region = RegionOptions::new().name(name).open_read_only()?;
    let (start, len, rights) = mapped(name)?;
    println!("rights {rights}");
    // SAFETY: the range is a whole mapping of this process, and nothing here relies on its being read-only.
    let answer = unsafe { libc::mprotect(start.cast(), len, libc::PROT_READ | libc::PROT_WRITE) };
    said("mprotect", answer);
    // A word of the header that nothing reads, for the case that it does work.
    let place = start.wrapping_add(72);
    // SAFETY: within the mapping. The kernel is to end this process here.
    unsafe { place.write_volatile(1) };
    println!("written");
    drop(region);
    Ok(())
}

/// `without-proc LABEL`: creates an anonymous region where no `/proc` is, and prints the error; or why it cannot try.
fn without_proc(label: &str) -> Outcome {
    let mount = |source: &CStr, kind: &CStr, target: &CStr, flags: libc::c_ulong| {
        // SAFETY: NUL-terminated texts that live through the call.
        let answer = unsafe {
            libc::mount(
                source.as_ptr(),
                target.as_ptr(),
                kind.as_ptr(),
                flags,
                core::ptr::null(),
            )
        };
        answer == 0
    };
    // SAFETY: plain integers; this process has one thread.
    let apart = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0
        && mount(c"none", c"none", c"/", libc::MS_REC | libc::MS_PRIVATE)
        && mount(c"none", c"tmpfs", c"/proc", 0);
    if !apart {
        println!("skipped: {}", io::Error::last_os_error());
        return Ok(());
    }
    match RegionOptions::new().name(label).size(2 << 20).create_anonymous() {
        Ok(_) => println!("created"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["truncate", socket] => truncate(socket),
        ["write", name] => write(name),
        ["without-proc", label] => without_proc(label),
        _ => Err("usage: trespasser COMMAND ARGUMENT".into()),
    }
}
