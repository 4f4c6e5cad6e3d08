//! Regions without a name, handed from process to process.

use dmxp::{Channel, ChannelBuilder, Error, PeerCredentials, Region, RegionOptions};
use dmxp_tests::{Numbered, Peer, PeerCommand, TestRegion, until};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// What a blocked peer may wait after the kernel has freed the dead one's lock, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);
/// For what is to succeed.
const LONG: Duration = Duration::from_secs(60);
/// For what is to time out.
const SHORT: Duration = Duration::from_millis(200);

fn anonymous(label: &str) -> Region {
    let options = RegionOptions::new().name(format!("dmxp-test-{label}")).size(4 << 20);
    options.create_anonymous().expect("an anonymous region")
}

fn numbered(region: &Region, channel: &str) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(region)
        .with_name(channel)
        .with_capacity(4)
}

/// A peer at the other end of a socket, not yet handed anything.
fn peer_at_socket(channel: &str, command: &str) -> (PeerCommand, UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
        .inherit(there.as_fd())
        .arg(format!("socket:{}", there.as_raw_fd()))
        .arg(channel)
        .arg(command);
    (peer, here, there)
}

/// A peer that has been handed the region.
fn peer(region: &Region, command: &str) -> Peer {
    let (peer, here, there) = peer_at_socket("small", command);
    let peer = peer.spawn();
    drop(there);
    region.hand_over(&here, LONG).expect("the peer attaches");
    peer
}

fn head(region: &Region) -> u64 {
    region.channel_named("small").map_or(0, |channel| channel.head)
}

fn tail(region: &Region) -> u64 {
    region.channel_named("small").map_or(0, |channel| channel.tail)
}

#[test]
fn a_child_that_is_handed_the_region_exchanges_typed_messages_with_its_parent() {
    let region = anonymous("echo");
    let producer = numbered(&region, "questions").build_producer().expect("a producer");
    let consumer = numbered(&region, "answers").build_consumer().expect("a consumer");
    let (peer, here, there) = peer_at_socket("questions", "echo-numbered");
    let peer = peer.arg(1_000).arg("answers").spawn();
    drop(there);
    region.hand_over(&here, LONG).expect("the child attaches");
    assert_eq!(region.info().processes, 2);
    for number in 0..1_000 {
        producer.send_timeout(&Numbered::new(7, number), LONG).expect("room");
        let answer = consumer.recv_timeout(LONG).expect("an answer");
        assert!(answer.is_whole());
        assert_eq!((answer.producer, answer.number), (8, number));
    }
    let _ = peer.output();
}

#[test]
fn who_connects_is_known_to_the_policy_before_anything_is_sent() {
    let region = anonymous("listener");
    let path = std::env::temp_dir().join(TestRegion::fresh_name("socket"));
    let listener = UnixListener::bind(&path).expect("a socket");
    let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
        .arg(format!("unix:{}", path.display()))
        .arg("small")
        .arg("hold-numbered")
        .spawn();
    let (stream, _) = listener.accept().expect("the peer");
    std::fs::remove_file(&path).expect("the socket's name");
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    // SAFETY: nor has getegid.
    let group = unsafe { libc::getegid() };
    let mut asked = None;
    let policy = |peer: &PeerCredentials| {
        asked = Some(*peer);
        peer.is_same_user()
    };
    region.hand_over_if(&stream, LONG, policy).expect("the peer attaches");
    let asked = asked.expect("the policy was asked");
    assert_eq!((asked.pid, asked.uid, asked.gid), (peer.pid(), user, group));
}

#[test]
fn what_a_killed_child_held_is_recovered() {
    let region = anonymous("killed");
    let producer = numbered(&region, "small").build_producer().expect("a producer");
    let consumer = numbered(&region, "small").build_consumer().expect("a consumer");
    producer.send(&Numbered::new(1, 0)).expect("room");
    let mut holder = peer(&region, "hold-numbered");
    until("the claim and the borrow", || (tail(&region), head(&region)) == (2, 1));
    producer.send(&Numbered::new(1, 1)).expect("room");
    assert!(
        matches!(consumer.recv_timeout(SHORT), Err(Error::Timeout)),
        "the claim is alive"
    );
    assert_eq!(region.info().processes, 2);
    holder.kill();
    let mut received = Vec::new();
    for _ in 0..2 {
        let message = consumer.recv_timeout(BOUND).expect("the dead hold nothing");
        assert!(message.is_whole());
        received.push((message.number, message.metadata().redelivered));
    }
    received.sort_unstable();
    assert_eq!(received, [(0, 1), (1, 0)]);
    // All four slots are free again, and the places in the tables.
    producer
        .send_batch(&[0, 1, 2, 3].map(|number| Numbered::new(2, number)), dmxp::Wait::No)
        .expect("room for four");
    region.recover(dmxp::RecoverOptions::new()).expect("a recovery");
    assert_eq!((region.info().processes, region.info().handles), (1, 2));
}

#[test]
fn a_forked_child_does_not_keep_its_dead_parent_alive() {
    let region = anonymous("orphan");
    let builder = ChannelBuilder::new()
        .with_region(&region)
        .with_name("small")
        .with_capacity(2);
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    let mut parent = peer(&region, "fork-holding");
    until("the claim", || tail(&region) == 1);
    until("the child", || parent.has_child());
    producer.send(b"behind").expect("the second slot is free");
    let orphan = parent.children();
    parent.kill();
    let message = consumer
        .recv_timeout(BOUND)
        .expect("the dead parent's claim is stepped over");
    assert_eq!(&*message, b"behind");
    for child in orphan {
        // SAFETY: kill takes two integers; the child sleeps for as long as this test may last, so the number is still its own.
        let killed = unsafe { libc::kill(child, libc::SIGKILL) };
        assert_eq!(killed, 0, "the child outlived its parent until now");
    }
}

#[test]
fn two_processes_that_inherit_one_descriptor_live_and_die_apart() {
    let region = anonymous("inherited");
    let builder = ChannelBuilder::new()
        .with_region(&region)
        .with_name("small")
        .with_capacity(4);
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    let descriptor = region.descriptor().expect("a descriptor");
    let mut holders = [1, 2].map(|claims| {
        let holder = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
            .inherit(descriptor.as_fd())
            .arg(format!("fd:{}", descriptor.as_raw_fd()))
            .arg("small")
            .arg("hold-claim")
            .spawn();
        until("the claim", || tail(&region) == claims);
        holder
    });
    assert_eq!(region.info().processes, 3);
    producer.send(b"behind").expect("room");
    holders[0].kill();
    let report = region.recover(dmxp::RecoverOptions::new()).expect("a recovery");
    assert_eq!(region.info().processes, 2, "{report}");
    assert!(
        matches!(consumer.recv_timeout(SHORT), Err(Error::Timeout)),
        "the second claim is alive"
    );
    holders[1].kill();
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("the message"), b"behind");
}

#[test]
fn a_process_attaches_once() {
    let region = anonymous("once");
    let again = RegionOptions::new()
        .attach(region.descriptor().expect("a descriptor"))
        .expect("the same region");
    assert_eq!((again.info().id, again.info().processes), (region.info().id, 1));
    // Over a socket too, with both ends in one process.
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| RegionOptions::new().receive(&there, LONG));
        region.hand_over(&here, LONG).expect("handed over");
        receiver.join().expect("no panic").expect("received")
    });
    assert_eq!(received.info().processes, 1);
}

#[test]
fn an_anonymous_region_has_a_label_and_no_file() {
    let region = anonymous("label");
    assert!(region.is_anonymous());
    assert_eq!(region.path(), "memfd:dmxp-test-label");
    assert!(!std::path::Path::new("/dev/shm/dmxp-test-label").exists());
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    assert!(maps.contains("/memfd:dmxp-test-label"));
    let elsewhere = RegionOptions::new().dir("/tmp").create_anonymous().unwrap_err();
    assert!(elsewhere.to_string().contains("no directory"), "{elsewhere}");
    let named = TestRegion::new("named", 2 << 20);
    assert!(!named.region.is_anonymous());
    let refused = named.region.descriptor().unwrap_err();
    assert!(
        refused.to_string().contains(&named.name) && refused.to_string().contains("has a name"),
        "{refused}"
    );
}

#[test]
fn nobody_can_change_the_length_under_those_who_have_it_mapped() {
    let region = anonymous("sealed");
    let producer = numbered(&region, "small").build_producer().expect("a producer");
    let consumer = numbered(&region, "small").build_consumer().expect("a consumer");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let trespasser = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
        .inherit(there.as_fd())
        .arg("truncate")
        .arg(there.as_raw_fd())
        .spawn();
    drop(there);
    region.hand_over(&here, LONG).expect("handed over");
    let said = trespasser.output();
    assert_eq!(
        said,
        "empty EPERM\nshrink EPERM\ngrow EPERM\nextend EPERM\nseal EPERM\n"
    );
    // Everything is where it was: the ring, and the tables at the far end.
    producer.send(&Numbered::new(1, 1)).expect("room");
    assert!(consumer.recv().expect("the message").is_whole());
    assert_eq!(region.info().size, 4 << 20);
}

#[test]
fn looking_at_an_anonymous_region_registers_nobody() {
    let region = anonymous("looked-at");
    let producer = numbered(&region, "small").build_producer().expect("a producer");
    producer.send(&Numbered::new(1, 1)).expect("room");
    let looker = RegionOptions::new()
        .attach_read_only(region.descriptor().expect("a descriptor"))
        .expect("a region to look at");
    assert!(looker.is_read_only() && looker.is_anonymous());
    assert_eq!(looker.channel_named("small").expect("the channel").len(), 1);
    assert_eq!(looker.info().processes, 1);
    assert!(matches!(looker.descriptor(), Err(Error::ReadOnly)));
    assert!(matches!(
        numbered(&looker, "small").build_consumer(),
        Err(Error::ReadOnly)
    ));
}

#[test]
fn where_there_is_no_proc_the_error_says_so() {
    let said = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
        .arg("without-proc")
        .arg("lonely")
        .output();
    if said.starts_with("skipped") {
        eprintln!("{said}");
        return;
    }
    assert!(
        said.contains("memfd:lonely") && said.contains("is /proc mounted?"),
        "{said}"
    );
}

// ---------------------------------------------------------------- policies

#[test]
fn a_peer_that_the_policy_refuses_gets_nothing() {
    let region = anonymous("refused");
    let (here, mut there) = UnixStream::pair().expect("a pair of sockets");
    let refused = region.hand_over_if(&here, LONG, |_| false).unwrap_err();
    let text = refused.to_string();
    let pid = format!("process {}", std::process::id());
    assert!(
        matches!(refused, Error::PeerRefused { .. }) && text.contains(&pid),
        "{text}"
    );
    drop(here);
    let mut bytes = Vec::new();
    there.read_to_end(&mut bytes).expect("the end");
    assert!(bytes.is_empty(), "{bytes:?}");
}

#[test]
fn a_region_from_a_peer_that_the_policy_refuses_is_not_taken() {
    let region = anonymous("unwanted");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    std::thread::scope(|scope| {
        let giver = scope.spawn(|| region.hand_over(&here, LONG));
        let refused = RegionOptions::new().receive_if(&there, LONG, |_| false);
        assert!(matches!(refused, Err(Error::PeerRefused { .. })), "{refused:?}");
        let told = giver.join().expect("no panic").unwrap_err();
        assert!(told.to_string().contains("the peer refused the region"), "{told}");
    });
}

#[test]
fn another_user_is_refused_unless_accepted() {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: only root can start a process of another user");
        return;
    }
    let region = anonymous("other-user");
    let path = std::env::temp_dir().join(TestRegion::fresh_name("other-user"));
    let listener = UnixListener::bind(&path).expect("a socket");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("a mode");
    // The other process listens nowhere and has no name for the region: it connects, and opens what it is sent anew.
    let connect = |accepted: &str| {
        PeerCommand::new("python3")
            .arg("-c")
            .arg(OTHER_USER)
            .arg(path.display())
            .arg(accepted)
            .spawn()
    };
    if dmxp_tests::python().is_none() {
        return;
    }
    let refused = connect("nothing");
    let (stream, _) = listener.accept().expect("the peer");
    assert_eq!(PeerCredentials::of(&stream).expect("credentials").uid, 12_345);
    let error = region.hand_over(&stream, LONG).unwrap_err();
    assert!(error.to_string().contains("user 12345"), "{error}");
    drop(stream);
    assert_eq!(refused.output(), "nothing\n");

    let accepted = connect("region");
    let (stream, _) = listener.accept().expect("the peer");
    std::fs::remove_file(&path).expect("the socket's name");
    region
        .hand_over_if(&stream, LONG, |peer| peer.uid == 12_345)
        .expect("the policy accepts it");
    assert_eq!(accepted.output(), "region 4194304\n");
}

/// Connects as user 12345, takes one hand-over by hand, and opens the region anew, for writing.
const OTHER_USER: &str = r#"
import os, socket, struct, sys
os.setgroups([]); os.setresgid(12345, 12345, 12345); os.setresuid(12345, 12345, 12345)
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.connect(sys.argv[1])
message, descriptors, _, _ = socket.recv_fds(stream, 16, 4)
if not message:
    print("nothing")
    sys.exit()
assert message == struct.pack("<8sII", b"DMXPHAND", 1, 1), message
[descriptor] = descriptors
again = os.open(f"/proc/thread-self/fd/{descriptor}", os.O_RDWR)
stream.sendall(struct.pack("<8sII", b"DMXPHAND", 1, 2))
print("region", os.fstat(again).st_size)
"#;

// ---------------------------------------------------------------- hostile peers

fn message(kind: u32) -> [u8; 16] {
    let mut message = *b"DMXPHAND\x01\0\0\0\0\0\0\0";
    message[12] = kind as u8;
    message
}

/// Sends bytes and descriptors, as a peer that is not this library might.
fn send_raw(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let numbers: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let len = size_of_val(&*numbers);
    // A control message by hand: its length, the level, the kind, and the descriptors.
    let mut control = Vec::new();
    control.extend_from_slice(&(16 + len).to_ne_bytes());
    control.extend_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
    control.extend_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
    control.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
    control.resize(control.len().next_multiple_of(8), 0);
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let message = libc::msghdr {
        msg_name: core::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: &raw mut part,
        msg_iovlen: 1,
        msg_control: control.as_mut_ptr().cast(),
        msg_controllen: if numbers.is_empty() { 0 } else { control.len() } as _,
        msg_flags: 0,
    };
    // SAFETY: the header describes buffers that live through the call.
    let sent = unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    assert_eq!(usize::try_from(sent), Ok(bytes.len()), "sent whole");
}

fn memfd(flags: libc::c_uint) -> Option<File> {
    // SAFETY: the name is NUL-terminated.
    let descriptor = unsafe { libc::memfd_create(c"hostile".as_ptr(), flags | libc::MFD_CLOEXEC) };
    // SAFETY: the call has just opened it, and nothing else owns it.
    (descriptor >= 0).then(|| unsafe { File::from_raw_fd(descriptor) })
}

fn seal(file: &File, seals: libc::c_int) {
    // SAFETY: plain integers.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(sealed, 0, "sealed");
}

/// The bytes of a region, in memory that is not sealed.
fn unsealed_copy(region: &Region) -> File {
    let mut bytes = Vec::new();
    let mut original = File::from(region.descriptor().expect("a descriptor"));
    original.read_to_end(&mut bytes).expect("its bytes");
    let mut copy = memfd(libc::MFD_ALLOW_SEALING).expect("a memfd");
    copy.write_all(&bytes).expect("the copy");
    copy
}

/// Whether the other end of a pipe is closed, or is soon: a process that was just started may have it until it begins.
fn ends(reader: &std::io::PipeReader) -> bool {
    let mut poll = libc::pollfd {
        fd: reader.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `poll` is one pollfd.
    let ready = unsafe { libc::poll(&raw mut poll, 1, BOUND.as_millis() as libc::c_int) };
    ready == 1 && poll.revents & libc::POLLHUP != 0
}

const ALL: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// What receiving says when a peer sends this.
fn receiving(bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> String {
    let (here, mut there) = UnixStream::pair().expect("a pair of sockets");
    send_raw(&here, bytes, descriptors);
    drop(here.shutdown(std::net::Shutdown::Write));
    let refused = RegionOptions::new().receive(&there, LONG).unwrap_err();
    // The peer learns that, and nothing else.
    let mut answer = Vec::new();
    drop(there.shutdown(std::net::Shutdown::Write));
    (&here).read_to_end(&mut answer).expect("the answer");
    assert_eq!(answer, message(3));
    // What was not read is not ours.
    let mut rest = Vec::new();
    there.read_to_end(&mut rest).expect("the rest");
    assert!(rest.len() <= bytes.len().saturating_sub(16), "{refused}");
    refused.to_string()
}

#[test]
fn what_is_no_hand_over_is_refused_by_name() {
    let region = anonymous("wrong");
    let good = region.descriptor().expect("a descriptor");
    let good = [good.as_fd()];
    for (bytes, expected) in [
        (
            &b"GET / HTTP/1.1\r\nHost: dmxp\r\n"[..],
            "not the hand-over of a region",
        ),
        (b"DMXPHAND\x02\0\0\0\x01\0\0\0", "version 2"),
        (b"DMXPHAND\x01\0\0\0\x09\0\0\0", "kind 9"),
        (&message(2), "answers instead of offering"),
        (&message(1)[..7], "closed the connection"),
    ] {
        let said = receiving(bytes, &good);
        assert!(said.contains(expected), "{said}");
    }
    assert!(receiving(&message(1), &[]).contains("no descriptor"));
    // More than an offer: the rest is the application's.
    let (here, mut there) = UnixStream::pair().expect("a pair of sockets");
    let mut longer = message(1).to_vec();
    longer.extend_from_slice(b"and more");
    send_raw(&here, &longer, &good);
    drop(RegionOptions::new().receive(&there, LONG).expect("the region"));
    let mut rest = [0; 8];
    there.read_exact(&mut rest).expect("what the application sent");
    assert_eq!(&rest, b"and more");
}

#[test]
fn what_the_application_asked_its_socket_to_add_does_no_harm() {
    let region = anonymous("options");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    // Credentials, and a descriptor of the sending process: include/uapi/asm-generic/socket.h. Not every kernel has the second.
    for (option, needed) in [(libc::SO_PASSCRED, true), (76, false)] {
        let yes: libc::c_int = 1;
        let len = size_of_val(&yes) as libc::socklen_t;
        // SAFETY: reads `len` bytes of `yes`.
        let set = unsafe {
            libc::setsockopt(
                there.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const yes).cast(),
                len,
            )
        };
        assert!(set == 0 || !needed, "{}", std::io::Error::last_os_error());
    }
    std::thread::scope(|scope| {
        let giver = scope.spawn(|| region.hand_over(&here, LONG));
        drop(RegionOptions::new().receive(&there, LONG).expect("received"));
        giver.join().expect("no panic").expect("handed over");
    });
    let own = format!("Pid:\t{}\n", std::process::id());
    for descriptor in std::fs::read_dir("/proc/self/fdinfo").expect("the descriptors") {
        let info = std::fs::read_to_string(descriptor.expect("an entry").path()).unwrap_or_default();
        assert!(!info.contains(&own), "a descriptor of the sender is still open");
    }
}

#[test]
fn several_descriptors_are_refused_and_none_stays_open() {
    for (count, split) in [(2, false), (3, false), (200, false), (2, true)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let copies: Vec<OwnedFd> = (0..count)
            .map(|_| writer.as_fd().try_clone_to_owned().expect("a copy"))
            .collect();
        let descriptors: Vec<BorrowedFd<'_>> = copies.iter().map(AsFd::as_fd).collect();
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let offer = message(1);
        if split {
            send_raw(&here, &offer[..8], &descriptors[..1]);
            send_raw(&here, &offer[8..], &descriptors[1..]);
        } else {
            send_raw(&here, &offer, &descriptors);
        }
        let refused = RegionOptions::new().receive(&there, LONG).unwrap_err();
        assert!(
            refused.to_string().contains("several descriptors"),
            "{count}: {refused}"
        );
        // A pipe ends when the last descriptor of its other end is closed, wherever it is.
        drop((copies, writer, here, there));
        assert!(ends(&reader), "{count}: a descriptor is still open");
    }
}

#[test]
fn descriptors_of_anything_but_sealed_memory_are_refused() {
    let region = anonymous("copied");
    let named = TestRegion::new("regular", 2 << 20);
    let regular = File::options()
        .read(true)
        .write(true)
        .open(named.region.path())
        .expect("its file");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let device = File::open("/dev/zero").expect("a device");
    let sealable = unsealed_copy(&region);
    let growing = unsealed_copy(&region);
    seal(&growing, libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL);
    let read_only = unsealed_copy(&region);
    seal(&read_only, ALL | libc::F_SEAL_WRITE);
    for (descriptor, expected) in [
        // A file of /dev/shm can be sealed against nothing but further seals.
        (
            regular.as_fd(),
            "not sealed against shrinking (F_SEAL_SHRINK), growing (F_SEAL_GROW)",
        ),
        (reader.as_fd(), "not one of sealed memory"),
        (device.as_fd(), "not one of sealed memory"),
        (
            sealable.as_fd(),
            "not sealed against shrinking (F_SEAL_SHRINK), growing (F_SEAL_GROW), further seals (F_SEAL_SEAL)",
        ),
        (growing.as_fd(), "not sealed against growing (F_SEAL_GROW)"),
        (read_only.as_fd(), "sealed against writing"),
    ] {
        let said = receiving(&message(1), &[descriptor]);
        assert!(said.contains(expected), "{said}");
    }
    let looker = RegionOptions::new().attach_read_only(&read_only);
    assert_eq!(looker.expect("looking is possible").info().size, 4 << 20);
}

#[test]
fn sealed_memory_that_is_no_region_is_refused() {
    let region = anonymous("damaged");
    let empty = memfd(libc::MFD_ALLOW_SEALING).expect("a memfd");
    seal(&empty, ALL);
    assert!(receiving(&message(1), &[empty.as_fd()]).contains("it ends after 0 bytes"));
    let zeros = memfd(libc::MFD_ALLOW_SEALING).expect("a memfd");
    // Larger than any memory; nothing of it is touched.
    zeros.set_len(1 << 50).expect("a length");
    seal(&zeros, ALL);
    assert!(receiving(&message(1), &[zeros.as_fd()]).contains("is not a dmxp region"));
    let longer = unsealed_copy(&region);
    longer.set_len((4 << 20) + 4_096).expect("a length");
    seal(&longer, ALL);
    let said = receiving(&message(1), &[longer.as_fd()]);
    assert!(
        said.contains("says 4194304 bytes") && said.contains("4198400"),
        "{said}"
    );
    if let Some(huge) = memfd(libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB) {
        seal(&huge, ALL);
        assert!(receiving(&message(1), &[huge.as_fd()]).contains("huge pages"));
    } else {
        eprintln!("skipped: no memory of huge pages here");
    }
    // The copy itself is a good region, once it is sealed.
    let sealed = unsealed_copy(&region);
    seal(&sealed, ALL);
    drop(RegionOptions::new().attach(&sealed).expect("a region"));
}

// ---------------------------------------------------------------- peers that take their time

fn takes(what: &str, call: impl FnOnce() -> Result<(), Error>) {
    let started = Instant::now();
    let answer = call();
    let took = started.elapsed();
    assert!(matches!(answer, Err(Error::Timeout)), "{what}: {answer:?}");
    assert!(took >= SHORT && took < SHORT + BOUND, "{what}: {took:?}");
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for_beyond_the_timeout() {
    let region = anonymous("silent");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    takes("handing over", || region.hand_over(&here, SHORT));
    drop(there);
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    takes("receiving", || RegionOptions::new().receive(&there, SHORT).map(|_| ()));
    drop(here);
}

#[test]
fn a_peer_that_sends_a_byte_now_and_then_is_not_waited_for_beyond_the_timeout() {
    let region = anonymous("trickle");
    for handing_over in [true, false] {
        let (mine, theirs) = UnixStream::pair().expect("a pair of sockets");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // 16 bytes in 1.6 seconds.
                for byte in message(if handing_over { 2 } else { 1 }) {
                    std::thread::sleep(Duration::from_millis(100));
                    if (&theirs).write_all(&[byte]).is_err() {
                        break;
                    }
                }
            });
            takes("trickling", || {
                if handing_over {
                    region.hand_over(&mine, SHORT)
                } else {
                    RegionOptions::new().receive(&mine, SHORT).map(|_| ())
                }
            });
        });
    }
}

#[test]
fn a_peer_that_reads_nothing_is_not_waited_for_beyond_the_timeout() {
    let region = anonymous("full");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    here.set_nonblocking(true).expect("a setting");
    while (&here).write(&[0; 4_096]).is_ok() {}
    while (&here).write(&[0]).is_ok() {}
    takes("handing over", || region.hand_over(&here, SHORT));
    drop(there);
}

#[test]
fn a_peer_that_goes_away_is_an_error_at_once() {
    let region = anonymous("gone");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    drop(there);
    let started = Instant::now();
    let error = region.hand_over(&here, LONG).unwrap_err();
    assert!(error.to_string().contains("closed the connection"), "{error}");
    let error = RegionOptions::new().receive(&here, LONG).unwrap_err();
    assert!(error.to_string().contains("closed the connection"), "{error}");
    assert!(started.elapsed() < BOUND);
}

#[test]
fn an_answer_with_a_descriptor_is_refused() {
    let region = anonymous("answer");
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    send_raw(&there, &message(2), &[writer.as_fd()]);
    let error = region.hand_over(&here, LONG).unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
    drop((writer, here, there));
    assert!(ends(&reader), "a descriptor is still open");
}
