//! The Rust peer of the tests: one process at one end of a channel.
//!
//! `peer REGION CHANNEL COMMAND [ARGUMENT…]`; the commands are the functions below. The region `-` is the default one, `fd:N` an
//! anonymous one behind an inherited descriptor, and `socket:N` and `unix:PATH` are handed over: over an inherited socket, and
//! by the process that listens at that path.

use dmxp::message::bytes_of;
use dmxp::{Channel, ChannelBuilder, Consumer, Error, Region, RegionOptions, Start, Subscription, Wait, WaitSet};
use dmxp_tests::{Draws, EveryKind, Numbered, Payloads, digest, filter_calls};
use std::error::Error as StdError;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

type Outcome = Result<(), Box<dyn StdError>>;

struct Peer {
    region: Region,
    channel: String,
    arguments: Vec<String>,
}

impl Peer {
    fn number(&self, index: usize) -> u64 {
        self.arguments[index].parse().expect("a number")
    }

    fn bytes(&self) -> ChannelBuilder {
        let builder = ChannelBuilder::new().with_region(&self.region);
        match self.channel.parse() {
            Ok(id) => builder.with_channel_id(id),
            Err(_) => builder.with_name(&self.channel),
        }
    }

    fn numbered(&self) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder()
            .with_region(&self.region)
            .with_name(&self.channel)
    }

    /// `produce COUNT SEED`: sends payloads, prints their digest.
    fn produce(&self) -> Outcome {
        let (count, seed) = (self.number(0), self.number(1));
        let producer = self.bytes().build_producer()?;
        for payload in Payloads::new(seed).take(count as usize) {
            producer.send_timeout(&payload, Duration::from_secs(60))?;
        }
        println!("{}", digest(Payloads::new(seed).take(count as usize)));
        Ok(())
    }

    /// `consume COUNT`: receives payloads in place, prints their digest.
    fn consume(&self) -> Outcome {
        self.print_digest(&self.bytes().build_consumer()?)
    }

    /// `follow COUNT`: as `consume`, from the first message of a broadcast channel on.
    fn follow(&self) -> Outcome {
        self.print_digest(&self.bytes().with_start(Start::Position(0)).build_consumer()?)
    }

    fn print_digest(&self, consumer: &Consumer<[u8]>) -> Outcome {
        let mut payloads = Vec::new();
        for _ in 0..self.number(0) {
            payloads.push(consumer.recv_timeout(Duration::from_secs(60))?.to_vec());
        }
        println!("{}", digest(payloads));
        Ok(())
    }

    /// `make CAPACITY`: makes the channel, and sends one message.
    fn make(&self) -> Outcome {
        let channel = self.bytes().with_capacity(self.number(0));
        channel.build_producer()?.send(b"made")?;
        Ok(())
    }

    /// `oversize`: sends 961 bytes alone, in a batch with one that fits, and by claiming; prints the refusals, a line each.
    fn oversize(&self) -> Outcome {
        let producer = self.bytes().build_producer()?;
        let payload = [0; 961];
        println!("{}", producer.send(payload).err().ok_or("961 bytes were sent")?);
        let batch: [&[u8]; 2] = [&[1], &payload];
        let refusal = producer.send_batch(&batch, Wait::No).err();
        println!("{}", refusal.ok_or("961 bytes were sent in a batch")?);
        println!("{}", producer.claim(961).err().ok_or("961 bytes were claimed")?);
        Ok(())
    }

    fn every_kind(&self) -> ChannelBuilder<EveryKind> {
        Channel::<EveryKind>::builder()
            .with_region(&self.region)
            .with_name(&self.channel)
    }

    /// `send-every-kind COUNT SEED`: sends messages, every other by a claim, prints the digest of their bytes.
    fn send_every_kind(&self) -> Outcome {
        let producer = self.every_kind().build_producer()?;
        let mut sent = Vec::new();
        for i in 0..self.number(0) {
            let message = EveryKind::drawn(self.number(1), i);
            if i % 2 == 0 {
                producer.send_timeout(&message, Duration::from_secs(60))?;
                sent.push(bytes_of(&message).to_vec());
            } else {
                let claim = producer.claim_with(&message, Wait::For(Duration::from_secs(60)))?;
                sent.push(bytes_of(&*claim).to_vec());
                claim.publish()?;
            }
        }
        println!("{}", digest(sent));
        Ok(())
    }

    /// `receive-every-kind COUNT SEED`: reads messages in place, prints the digest of the bytes in the slots. Fails on one that
    /// was not to be sent.
    fn receive_every_kind(&self) -> Outcome {
        let consumer = self.every_kind().build_consumer()?;
        let mut received = Vec::new();
        for i in 0..self.number(0) {
            let message = consumer.recv_timeout(Duration::from_secs(60))?;
            let expected = EveryKind::drawn(self.number(1), i);
            if *message != expected {
                return Err(format!("message {i} is {:?}, not {expected:?}", *message).into());
            }
            received.push(bytes_of(&*message).to_vec());
        }
        println!("{}", digest(received));
        Ok(())
    }

    /// `send PRODUCER COUNT BATCH`: sends numbered messages, in batches of 1 to BATCH.
    fn send(&self) -> Outcome {
        let (name, count, batch) = (self.number(0), self.number(1), self.number(2));
        let producer = self.numbered().build_producer()?;
        let mut next = 0;
        while next < count {
            let size = (1 + next % batch).min(count - next);
            let messages: Vec<_> = (next..next + size).map(|number| Numbered::new(name, number)).collect();
            producer.send_batch(&messages, Wait::For(Duration::from_secs(60)))?;
            next += size;
        }
        Ok(())
    }

    /// `receive BATCH`: receives numbered messages until the stream ends; prints one line a producer: its number, how many
    /// messages, the sum of their numbers and of their squares, modulo 2^64. Fails on a torn message, and on one that comes
    /// after a later one of the same producer.
    fn receive(&self) -> Outcome {
        let consumer = self.numbered().build_consumer()?;
        let mut seen = std::collections::BTreeMap::<u64, (u64, u64, u64, Option<u64>)>::new();
        loop {
            let batch = match consumer.recv_up_to(self.number(0) as usize, Wait::For(Duration::from_secs(60))) {
                Ok(batch) => batch,
                Err(Error::Closed) => break,
                Err(error) => return Err(error.into()),
            };
            for message in batch.iter() {
                if !message.is_whole() {
                    return Err(format!("torn: {message:?}").into());
                }
                let (count, sum, squares, last) = seen.entry(message.producer).or_default();
                if last.is_some_and(|last| last >= message.number) {
                    return Err(format!("{message:?} after number {last:?}").into());
                }
                *last = Some(message.number);
                *count += 1;
                *sum = sum.wrapping_add(message.number);
                *squares = squares.wrapping_add(message.number.wrapping_mul(message.number));
            }
        }
        for (producer, (count, sum, squares, _)) in seen {
            println!("{producer} {count} {sum} {squares}");
        }
        Ok(())
    }

    /// `publish PRODUCER COUNT BATCH`: sends numbered messages on a channel that is there, in batches of 1 to BATCH, and prints after
    /// each how many it has sent. A COUNT of 0 is without end.
    fn publish(&self) -> Outcome {
        let (name, count, batch) = (self.number(0), self.number(1), self.number(2));
        let producer = self.numbered().open_only().build_producer()?;
        let mut next = 0;
        while count == 0 || next < count {
            let size = 1 + next % batch;
            let size = if count == 0 { size } else { size.min(count - next) };
            let messages: Vec<_> = (next..next + size).map(|number| Numbered::new(name, number)).collect();
            producer.send_batch(&messages, Wait::For(Duration::from_secs(60)))?;
            next += size;
            println!("{next}");
        }
        Ok(())
    }

    /// `subscribe POLICY`: subscribes, `reliable` or `lossy`, and says so; receives the numbered messages of one producer until the
    /// stream ends; prints how many it received, how many it missed, and the number after the last. Fails on one that is torn, or
    /// that is not the one after those received and missed.
    fn subscribe(&self) -> Outcome {
        let policy = match self.arguments[0].as_str() {
            "reliable" => Subscription::Reliable,
            _ => Subscription::Lossy,
        };
        let subscriber = self.numbered().open_only().with_subscription(policy).build_consumer()?;
        println!("subscribed");
        let (mut received, mut next) = (0_u64, 0);
        while let Some(message) = subscriber.recv_or_end()? {
            next += message.metadata().missed;
            if !message.is_whole() || message.number != next {
                return Err(format!("{message:?} instead of {next}").into());
            }
            next += 1;
            received += 1;
        }
        println!("{received} {} {next}", subscriber.missed());
        Ok(())
    }

    /// `subscribe-holding COUNT`: subscribes, receives COUNT messages, and holds the next for ever.
    fn subscribe_holding(&self) -> Outcome {
        let subscriber = self.numbered().open_only().build_consumer()?;
        println!("subscribed");
        for _ in 0..self.number(0) {
            subscriber.recv_timeout(Duration::from_secs(60))?;
        }
        let _held = subscriber.recv_timeout(Duration::from_secs(60))?;
        println!("holding");
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// `echo COUNT ANSWERS`: receives, blocking, and sends each payload back on the channel ANSWERS.
    fn echo(&self) -> Outcome {
        let questions = self.bytes().build_consumer()?;
        let answers = ChannelBuilder::new()
            .with_region(&self.region)
            .with_name(&self.arguments[1])
            .build_producer()?;
        for _ in 0..self.number(0) {
            let question = questions.recv_timeout(Duration::from_secs(60))?;
            answers.send_timeout(&*question, Duration::from_secs(60))?;
        }
        Ok(())
    }

    /// `echo-numbered COUNT ANSWERS`: receives numbered messages, and sends each back on the channel ANSWERS as its producer's
    /// successor.
    fn echo_numbered(&self) -> Outcome {
        let questions = self.numbered().build_consumer()?;
        let answers = self.numbered().with_name(&self.arguments[1]).build_producer()?;
        for _ in 0..self.number(0) {
            let question = questions.recv_timeout(Duration::from_secs(60))?;
            if !question.is_whole() {
                return Err(format!("torn: {:?}", *question).into());
            }
            answers.send_timeout(
                &Numbered::new(question.producer + 1, question.number),
                Duration::from_secs(60),
            )?;
        }
        Ok(())
    }

    /// `idle`: waits for a message that does not come, for as long as the test lets it.
    fn idle(&self) -> Outcome {
        self.bytes().build_consumer()?.recv()?;
        Ok(())
    }

    /// The channels of a set, `channel-0` and so on, in turns here and in another region.
    fn many<B>(
        &self,
        other: &Region,
        count: u64,
        build: impl Fn(ChannelBuilder) -> dmxp::Result<B>,
    ) -> dmxp::Result<Vec<B>> {
        let region = |index| if index % 2 == 0 { &self.region } else { other };
        (0..count)
            .map(|index| {
                let name = format!("channel-{index}");
                build(ChannelBuilder::new().with_region(region(index)).with_name(name))
            })
            .collect()
    }

    /// `scatter REGION CHANNELS COUNT SEED`: sends numbers to channels drawn at random, with pauses of up to 500 us.
    fn scatter(&self) -> Outcome {
        let other = RegionOptions::new().name(&self.arguments[0]).open()?;
        let producers = self.many(&other, self.number(1), |channel| channel.build_producer())?;
        for number in 0..self.number(2) {
            let mut draws = Draws::new(self.number(3), number);
            let producer = &producers[draws.below(producers.len())];
            producer.send_timeout(number.to_le_bytes(), Duration::from_secs(60))?;
            std::thread::sleep(Duration::from_micros(draws.below(500) as u64));
        }
        Ok(())
    }

    /// `idle-set REGION CHANNELS`: waits for messages that do not come, as `idle`, at many channels and a descriptor.
    fn idle_set(&self) -> Outcome {
        let other = RegionOptions::new().name(&self.arguments[0]).open()?;
        let consumers = self.many(&other, self.number(1), |channel| channel.build_consumer())?;
        let (quiet, _writer) = UnixStream::pair()?;
        let mut set = WaitSet::new();
        for (consumer, token) in consumers.iter().zip(0..) {
            set.add(consumer, token)?;
        }
        set.add_descriptor(&quiet, u64::MAX)?;
        set.wait(Wait::Forever)?;
        Ok(())
    }

    /// `hold-claim`: claims a slot, says so, and never publishes.
    fn hold_claim(&self) -> Outcome {
        let producer = self.bytes().build_producer()?;
        let _claim = producer.try_claim(8)?;
        println!("holding");
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    }

    /// `send-and-hold WORD`: sends WORD, claims a slot for another message, says so, and never publishes.
    fn send_and_hold(&self) -> Outcome {
        let producer = self.bytes().build_producer()?;
        producer.send(self.arguments[0].as_bytes())?;
        let _claim = producer.try_claim(self.arguments[0].len())?;
        println!("holding");
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    }

    /// `where`: prints the region's file.
    fn where_it_lies(&self) -> Outcome {
        println!("{}", self.region.path().display());
        Ok(())
    }

    /// `receive-until-removed`: receives and prints, a line each, until the region's file is gone; then how the error begins.
    fn receive_until_removed(&self) -> Outcome {
        let consumer = self.bytes().build_consumer()?;
        println!("ready");
        loop {
            match consumer.recv_timeout(Duration::from_secs(60)) {
                Ok(message) => println!("{}", String::from_utf8_lossy(&message)),
                Err(Error::RegionRemoved { replaced, .. }) => break println!("removed, replaced: {replaced}"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// `clone-raw`: claims a slot, and makes a child by the system call, past the C library; the child says what its parent's handle
    /// answers, opens a handle of its own and sends "from the child"; both go on. With an argument, the child does nothing.
    fn clone_raw(&self) -> Outcome {
        let producer = self.bytes().build_producer()?;
        let _claim = producer.try_claim(8)?;
        // SAFETY: as fork(2), of a process with one thread.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        let mut kept = None;
        if child == 0 && self.arguments.is_empty() {
            // It must not outlive the test.
            // SAFETY: takes integers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
            let answer = producer
                .try_send(b"no")
                .map_or_else(|error| error.to_string(), |_| "sent".into());
            println!("{answer}");
            let region = RegionOptions::new()
                .name(&std::env::args().nth(1).ok_or("a region")?)
                .open()?;
            let own = ChannelBuilder::new()
                .with_region(&region)
                .with_name(&self.channel)
                .build_producer()?;
            own.send(b"from the child")?;
            kept = Some(own);
        }
        std::thread::sleep(Duration::from_secs(if child == 0 { 60 } else { 600 }));
        drop(kept);
        Ok(())
    }

    /// `expect-no-producers`: receives and prints, a line each, until there are no producers; then what the end is called.
    fn expect_no_producers(&self) -> Outcome {
        let consumer = self.bytes().with_end_without_producers(true).build_consumer()?;
        loop {
            match consumer.recv_timeout(Duration::from_secs(60)) {
                Ok(message) => println!("{}", String::from_utf8_lossy(&message)),
                Err(Error::NoProducers) => break println!("no producers"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// `hold-urgent`: claims a slot for an urgent message, says so, and never publishes.
    fn hold_urgent(&self) -> Outcome {
        let producer = self.bytes().build_producer()?;
        let _claim = producer.high()?.try_claim(8)?;
        println!("holding");
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    }

    /// `urge`: sends numbered messages until it is killed, urgent ones and others in turn; numbers count for each priority, and the
    /// producer of an urgent one is the process id, that of another its negative.
    fn urge(&self) -> Outcome {
        let (producer, id) = (self.numbered().build_producer()?, u64::from(std::process::id()));
        for number in 0.. {
            producer.high()?.send(&Numbered::new(id, number))?;
            producer.send(&Numbered::new(id.wrapping_neg(), number))?;
        }
        Ok(())
    }

    /// `hold-message`: receives a message, says so, and never releases it.
    fn hold_message(&self) -> Outcome {
        let consumer = self.bytes().build_consumer()?;
        let _message = consumer.recv_timeout(Duration::from_secs(60))?;
        println!("holding");
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    }

    /// `work`: receives numbered messages until the stream ends; prints the number of each when its work is done, which takes a moment,
    /// and releases it then.
    fn work(&self) -> Outcome {
        let consumer = self.numbered().build_consumer()?;
        while let Some(job) = consumer.recv_or_end()? {
            std::thread::sleep(Duration::from_micros(200));
            println!("{}", job.number);
        }
        Ok(())
    }

    /// `churn`: makes the channel, sends on it and removes it, by force every other time, for ever; beside others that do the same.
    fn churn(&self) -> Outcome {
        let round = |force| {
            let producer = self.numbered().build_producer()?;
            producer.send(&Numbered::new(1, 1))?;
            let id = producer.channel_id();
            let producer = Some(producer).filter(|_| force);
            self.region.remove_channel(id, force)?;
            drop(producer);
            Ok(())
        };
        for number in 0.. {
            match round(number % 2 == 0) {
                Ok(()) | Err(Error::Removed | Error::ChannelNotFound { .. } | Error::ChannelInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// `hold-numbered`: receives a numbered message and claims a slot, and keeps both.
    fn hold_numbered(&self) -> Outcome {
        let (producer, consumer) = (self.numbered().build_producer()?, self.numbered().build_consumer()?);
        let _claim = producer.try_claim()?;
        let _message = consumer.recv_timeout(Duration::from_secs(60))?;
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    }

    /// `outlive-first-thread`: as `hold-numbered`, in a thread that goes on when the first one has ended.
    fn outlive_first_thread(self) -> Outcome {
        let holding = std::thread::spawn(move || self.hold_numbered().is_ok());
        // SAFETY: ends this thread and nothing else; what it has on its stack, the other one does not use.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        holding.join().map_err(|_| "the holder panicked")?;
        Ok(())
    }

    /// `quiet COUNT`: sends and receives COUNT messages to itself while the kernel kills it for any system call.
    fn quiet(&self) -> Outcome {
        let (producer, consumer) = (self.numbered().build_producer()?, self.numbered().build_consumer()?);
        let count = self.number(0);
        // What is set up at the first use (the clock's page, say) comes before.
        producer.send(&Numbered::new(0, 0))?;
        drop(consumer.recv()?);
        forbid_system_calls();
        let mut bad = 0;
        for number in 0..count {
            bad += i32::from(producer.send(&Numbered::new(1, number)).is_err());
            bad += i32::from(
                !consumer
                    .recv()
                    .is_ok_and(|message| message.is_whole() && message.number == number),
            );
        }
        // SAFETY: ends the thread, which is the process, by the one call that is allowed.
        unsafe { libc::syscall(libc::SYS_exit, bad.min(1)) };
        unreachable!("exit does not return")
    }

    /// `daemonise`: loses all descriptors but the standard ones, as daemons do, to another file; then waits for a message that
    /// does not come. Says whether it was evicted.
    fn daemonise(&self) -> Outcome {
        let consumer = self.bytes().build_consumer()?;
        lose_descriptors()?;
        match consumer.recv_timeout(Duration::from_millis(500)) {
            Err(Error::Evicted) => println!("evicted"),
            other => println!("{other:?}"),
        }
        Ok(())
    }

    /// `reattach`: loses its descriptors, opens the region again, drops what it had before, and uses what it has.
    fn reattach(self) -> Outcome {
        let before = (self.bytes().build_consumer()?, self.region.path().to_owned());
        lose_descriptors()?;
        for descriptor in 3..64 {
            // SAFETY: closes what lose_descriptors put there; nothing else is open at those numbers.
            unsafe { libc::close(descriptor) };
        }
        let name = before.1.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
        let region = RegionOptions::new().name(name).open()?;
        let builder = ChannelBuilder::new().with_region(&region).with_name("small");
        let (producer, consumer) = (builder.build_producer()?, builder.build_consumer()?);
        drop(before);
        drop(self);
        producer.send(b"works")?;
        println!(
            "{}",
            String::from_utf8_lossy(&consumer.recv_timeout(Duration::from_secs(10))?)
        );
        Ok(())
    }

    /// `fork-holding`: claims a slot, forks a child that only sleeps, and sleeps itself.
    fn fork_holding(&self) -> Outcome {
        let producer = self.bytes().build_producer()?;
        let _claim = producer.try_claim(8)?;
        // SAFETY: the child calls nothing but sleep and _exit.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: sleep has no preconditions.
            unsafe { libc::sleep(300) };
            // SAFETY: ends the child without running anything of its parent's.
            unsafe { libc::_exit(0) };
        }
        std::thread::sleep(Duration::from_secs(300));
        Ok(())
    }

    /// `create FIRST COUNT CAPACITY`: creates channels FIRST to FIRST+COUNT-1, all at once with every other process that does.
    fn create(&self) -> Outcome {
        let (first, count, capacity) = (self.number(0) as u32, self.number(1) as u32, self.number(2));
        for id in first..first + count {
            let builder = ChannelBuilder::new()
                .with_region(&self.region)
                .with_channel_id(id)
                .with_capacity(capacity);
            builder.build_producer()?;
        }
        Ok(())
    }
}

/// The descriptor with that number, which this process got at its start and uses nowhere else.
fn inherited(number: &str) -> Result<OwnedFd, Box<dyn StdError>> {
    // SAFETY: the test left it open for this.
    Ok(unsafe { OwnedFd::from_raw_fd(number.parse()?) })
}

fn receive(stream: UnixStream) -> dmxp::Result<Region> {
    RegionOptions::new().receive(&stream, Duration::from_secs(60))
}

/// Replaces every descriptor but the standard ones by one on another file.
fn lose_descriptors() -> Outcome {
    let log = std::fs::File::create("/dev/null")?;
    for descriptor in (3..64).filter(|&descriptor| descriptor != log.as_raw_fd()) {
        // SAFETY: the descriptors' owners are the library, whose answer is what the tests are about.
        unsafe { libc::dup2(log.as_raw_fd(), descriptor) };
    }
    Ok(())
}

/// From here on the kernel kills this thread for any system call but exit(2).
fn forbid_system_calls() {
    // The strict mode of seccomp would do, but it also forbids reading the time stamp counter.
    filter_calls(libc::SYS_exit, libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_KILL_PROCESS);
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(channel), Some(command)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: peer REGION CHANNEL COMMAND [ARGUMENT…]".into());
    };
    let region = match name.split_once(':') {
        Some(("fd", number)) => RegionOptions::new().attach(inherited(number)?)?,
        Some(("socket", number)) => receive(UnixStream::from(inherited(number)?))?,
        Some(("unix", path)) => receive(UnixStream::connect(path)?)?,
        _ if name == "-" => Region::open_default()?,
        _ => RegionOptions::new().name(name).open()?,
    };
    let peer = Peer {
        region,
        channel,
        arguments: arguments.collect(),
    };
    match command.as_str() {
        "produce" => peer.produce(),
        "consume" => peer.consume(),
        "follow" => peer.follow(),
        "make" => peer.make(),
        "oversize" => peer.oversize(),
        "send-every-kind" => peer.send_every_kind(),
        "receive-every-kind" => peer.receive_every_kind(),
        "send" => peer.send(),
        "receive" => peer.receive(),
        "echo" => peer.echo(),
        "echo-numbered" => peer.echo_numbered(),
        "idle" => peer.idle(),
        "scatter" => peer.scatter(),
        "idle-set" => peer.idle_set(),
        "hold-claim" => peer.hold_claim(),
        "send-and-hold" => peer.send_and_hold(),
        "where" => peer.where_it_lies(),
        "receive-until-removed" => peer.receive_until_removed(),
        "clone-raw" => peer.clone_raw(),
        "expect-no-producers" => peer.expect_no_producers(),
        "hold-message" => peer.hold_message(),
        "hold-urgent" => peer.hold_urgent(),
        "work" => peer.work(),
        "churn" => peer.churn(),
        "urge" => peer.urge(),
        "hold-numbered" => peer.hold_numbered(),
        "outlive-first-thread" => peer.outlive_first_thread(),
        "quiet" => peer.quiet(),
        "daemonise" => peer.daemonise(),
        "reattach" => peer.reattach(),
        "fork-holding" => peer.fork_holding(),
        "create" => peer.create(),
        "publish" => peer.publish(),
        "subscribe" => peer.subscribe(),
        "subscribe-holding" => peer.subscribe_holding(),
        other => Err(format!("no command {other}").into()),
    }
}
