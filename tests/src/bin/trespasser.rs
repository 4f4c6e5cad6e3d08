//! A process that tries what it must not be able to do, and prints what came of it.
//!
//! `trespasser COMMAND ARGUMENT...`; the commands are the functions below.

use dmxp::message::copy_from_bytes;
use dmxp::{ChannelBuilder, Error, PeekFrom, PeekOptions, RecoverOptions, Region, RegionOptions};
use dmxp_tests::Numbered;
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

/// A region to look at: by its name, or `fd:N` behind an inherited descriptor.
fn looked_at(region: &str) -> Result<Region, Box<dyn StdError>> {
    match region.strip_prefix("fd:") {
        // SAFETY: the test left it open for this.
        Some(number) => Ok(RegionOptions::new().attach_read_only(unsafe { OwnedFd::from_raw_fd(number.parse()?) })?),
        None => Ok(RegionOptions::new().name(region).open_read_only()?),
    }
}

/// Where the region is mapped, how long, and with which rights.
fn mapped(region: &Region) -> Result<(*mut u8, usize, String), Box<dyn StdError>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    // `/dev/shm/NAME`, or `/memfd:LABEL (deleted)`.
    let path = region.path().to_str().ok_or("a path")?;
    let line = maps.lines().find(|line| line.contains(path));
    let mut words = line.ok_or("the region is not mapped")?.split_ascii_whitespace();
    let (start, end) = words.next().and_then(|range| range.split_once('-')).ok_or("a range")?;
    let (start, end) = (usize::from_str_radix(start, 16)?, usize::from_str_radix(end, 16)?);
    let rights = words.next().ok_or("rights")?.to_owned();
    Ok((core::ptr::with_exposed_provenance_mut(start), end - start, rights))
}

/// `write REGION`: attaches read-only, tries to make the mapping writable, and writes to it all the same.
fn write(region: &str) -> Outcome {
    let region = looked_at(region)?;
    let (start, len, rights) = mapped(&region)?;
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

/// `look REGION`: attaches read-only, asks for everything that can be asked, and tries to change what only a writer may.
fn look(region: &str) -> Outcome {
    let region = looked_at(region)?;
    println!("{} channels", region.info().channels);
    for channel in region.channels()? {
        let schema = channel.schema.as_ref().map_or(String::new(), ToString::to_string);
        println!("{} {} {schema}", channel.name.as_deref().unwrap_or("-"), channel.len());
        println!("{} {}", channel.producers.len(), channel.consumers.len());
        region.channel(channel.id)?;
        println!(
            "{} messages",
            region.peek(channel.id, PeekOptions::new())?.messages.len()
        );
        let builder = ChannelBuilder::new().with_region(&region).with_channel_id(channel.id);
        let refusals = [
            builder.build_producer().err(),
            builder.build_consumer().err(),
            region.remove_channel(channel.id, true).err(),
            region.recover(RecoverOptions::new().force(true)).err(),
        ];
        if refusals.iter().any(|refusal| !matches!(refusal, Some(Error::ReadOnly))) {
            return Err(format!("not read-only: {refusals:?}").into());
        }
    }
    println!("{} blockages", region.blockages()?.len());
    Ok(())
}

/// `peek REGION`: attaches read-only, and looks at the numbered messages of the channel `seen`, from everywhere, until it is closed and
/// 100,000 times at least. Prints how often it looked, how many messages it saw, and how many went while it copied them. Fails on one that is
/// torn, and on one that is not that of its position: there is one producer.
fn peek(region: &str) -> Outcome {
    let region = looked_at(region)?;
    let id = region.channel_named("seen")?.id;
    let (mut peeks, mut seen, mut overwritten, mut next) = (0_u64, 0, 0, 0);
    while peeks < 100_000 || !region.channel(id)?.closed {
        for _ in 0..1_000 {
            let from = match peeks % 3 {
                0 => PeekFrom::Oldest,
                1 => PeekFrom::Newest,
                _ => PeekFrom::Position(next),
            };
            let found = region.peek(id, PeekOptions::new().from(from).limit(1 + peeks as usize % 7))?;
            for message in &found.messages {
                let numbered: Numbered = copy_from_bytes(&message.bytes).map_err(|error| error.to_string())?;
                let whole = numbered.is_whole() && message.intact;
                if !whole || numbered.number != message.position || message.metadata.message_id != message.position + 1
                {
                    return Err(format!("{message:?}: {numbered:?}").into());
                }
            }
            if !found.messages.is_sorted_by(|one, next| one.position < next.position) {
                return Err(format!("out of order: {found:?}").into());
            }
            peeks += 1;
            seen += found.messages.len();
            overwritten += found.overwritten;
            next = found.next;
        }
    }
    println!("{peeks} {seen} {overwritten}");
    Ok(())
}

/// `lock DESCRIPTOR BYTES`: through an inherited descriptor that only reads, tries to lock the management byte exclusively, then locks for
/// reading what BYTES says: `management`, `processes`, `everything`, or a number of single bytes. Keeps the locks until it is killed.
fn lock(descriptor: &str, bytes: &str) -> Outcome {
    const MANAGEMENT: i64 = 1 << 62;
    let fd = descriptor.parse()?;
    let lock = |kind: libc::c_int, start: i64, len: i64| {
        let mut range = libc::flock {
            l_type: kind as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: start,
            l_len: len,
            l_pid: 0,
        };
        // SAFETY: a valid flock that lives through the call; the test left the descriptor open for this.
        match unsafe { libc::fcntl(fd, libc::F_OFD_SETLK, &raw mut range) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let refused = lock(libc::F_WRLCK, MANAGEMENT, 1).map_err(|error| error.raw_os_error());
    if refused != Err(Some(libc::EBADF)) {
        return Err(format!("an exclusive lock through a descriptor that only reads: {refused:?}").into());
    }
    match bytes {
        "management" => lock(libc::F_RDLCK, MANAGEMENT, 1)?,
        "processes" => lock(libc::F_RDLCK, MANAGEMENT + 1, 4_096)?,
        // A length of 0 reaches to the end.
        "everything" => lock(libc::F_RDLCK, 0, 0)?,
        count => {
            for index in 0..count.parse()? {
                lock(libc::F_RDLCK, MANAGEMENT - 4_001 + 2 * index, 1)?;
            }
        }
    }
    println!("locked");
    std::thread::sleep(Duration::from_secs(600));
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
        ["write", region] => write(region),
        ["look", region] => look(region),
        ["peek", region] => peek(region),
        ["lock", descriptor, bytes] => lock(descriptor, bytes),
        ["without-proc", label] => without_proc(label),
        _ => Err("usage: trespasser COMMAND ARGUMENT...".into()),
    }
}
