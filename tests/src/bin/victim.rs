//! The process that `tests/stops.rs` kills or stops between any two steps.
//!
//! `victim REGION WORKLOAD INCARNATION POINT PASS`: runs a workload on the channel `small`, and stops itself (SIGSTOP) right before
//! the access to shared memory at POINT is made for the PASSth time. With the point `-` it runs to its end and prints the points it
//! passed. What it has sent and received it writes to standard output, a line each: `sent N` once the send has returned,
//! `got PRODUCER N REDELIVERED` before the message is released.

#[cfg(not(dmxp_stops))]
fn main() {
    eprintln!("the victim has no stop points: build it with RUSTFLAGS=\"--cfg dmxp_stops\"");
    std::process::exit(2);
}

#[cfg(dmxp_stops)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    victim::main()
}

#[cfg(dmxp_stops)]
mod victim {
    use dmxp::raw::{self, Fitting};
    use dmxp::{
        Channel, ChannelBuilder, Consumer, Delivery, Error, Producer, RecoverOptions, Region, RegionOptions,
        Subscription, Wait, WaitSet, stops,
    };
    use dmxp_tests::{Numbered, PeerCommand, block_on};
    use std::error::Error as StdError;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::path::Path;
    use std::time::{Duration, Instant};

    type Outcome = Result<(), Box<dyn StdError>>;

    const MOMENT: Duration = Duration::from_millis(120);

    struct Victim {
        region: Region,
        incarnation: u64,
        sent: u64,
    }

    pub(super) fn main() -> Outcome {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [region, workload, incarnation, point, pass] = &arguments[..] else {
            return Err("usage: victim REGION WORKLOAD INCARNATION POINT PASS".into());
        };
        let census = point == "-";
        // Before the region is opened: registering is attacked too.
        stops::arm((!census).then_some((point.as_str(), pass.parse()?)));
        let region = RegionOptions::new().name(region).open()?;
        let mut victim = Victim {
            region,
            incarnation: incarnation.parse()?,
            sent: 0,
        };
        match workload.as_str() {
            "single" => victim.single(),
            "batch" => victim.batch(),
            "claims" => victim.claims(),
            "returned" => victim.returned(),
            "sleep" => victim.sleep(),
            "set" => victim.set(),
            "wake" => victim.wake(),
            "futures" => victim.futures(),
            "many" => victim.many(),
            "close" => victim.close(),
            "leak" => victim.leak(),
            "letters" => victim.letters(),
            "tables" => victim.tables(),
            "sweep" => victim.sweep(),
            "recover" => victim.recover(),
            "broadcast" => victim.broadcast(),
            "heir" => victim.heir(),
            "overrun" => victim.overrun(),
            "latest" => victim.latest(),
            "expire" => victim.expire(),
            "urgent" => victim.urgent(),
            "line" => victim.line(),
            "mourning" => victim.mourning(),
            other => Err(format!("no workload {other}").into()),
        }?;
        let path = victim.region.path().to_owned();
        drop(victim);
        if workload == "futures" {
            // The reactor's thread lets go of the region a moment after the last handle. A process that ends before looks dead.
            let started = Instant::now();
            while is_mapped(&path)? {
                if started.elapsed() > 100 * MOMENT {
                    return Err("the reactor keeps the region".into());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if census {
            for (point, passes) in stops::reached() {
                println!("point {point} {passes}");
            }
        }
        Ok(())
    }

    fn is_mapped(path: &Path) -> std::io::Result<bool> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(std::fs::read_to_string("/proc/self/maps")?
            .lines()
            .any(|line| line.ends_with(&*name)))
    }

    /// One write(2) a line: a kill leaves whole lines.
    fn say(line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(format!("{line}\n").as_bytes());
        let _ = out.flush();
    }

    /// What a call returns, unless another process was in the way, as others may be while this process is stopped.
    fn in_time<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Err(Error::Timeout | Error::Full | Error::Empty) => Ok(None),
            answer => answer.map(Some),
        }
    }

    impl Victim {
        fn builder(&self) -> ChannelBuilder<Numbered> {
            Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name("small")
        }

        fn ends(&self) -> Result<(Producer<Numbered>, Consumer<Numbered>), Error> {
            Ok((self.builder().build_producer()?, self.builder().build_consumer()?))
        }

        fn next(&mut self) -> Numbered {
            self.sent += 1;
            Numbered::new(self.incarnation, self.sent - 1)
        }

        fn send(&mut self, producer: &Producer<Numbered>) -> Outcome {
            let message = self.next();
            if in_time(producer.send_timeout(&message, MOMENT))?.is_some() {
                say(&format!("sent {}", message.number));
            }
            Ok(())
        }

        fn got(message: &Numbered, redelivered: u8) -> Outcome {
            if !message.is_whole() {
                return Err(format!("torn: {message:?}").into());
            }
            say(&format!("got {} {} {redelivered}", message.producer, message.number));
            Ok(())
        }

        fn receive(&self, consumer: &Consumer<Numbered>) -> Outcome {
            match in_time(consumer.recv_timeout(MOMENT))? {
                Some(message) => Self::got(&message, message.metadata().redelivered),
                None => Ok(()),
            }
        }

        fn single(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            for _ in 0..6 {
                self.send(&producer)?;
                self.receive(&consumer)?;
            }
            Ok(())
        }

        fn batch(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            for _ in 0..3 {
                let messages = [self.next(), self.next(), self.next()];
                if in_time(producer.send_batch(&messages, Wait::For(MOMENT)))?.is_some() {
                    messages
                        .iter()
                        .for_each(|message| say(&format!("sent {}", message.number)));
                }
                if let Ok(batch) = consumer.recv_up_to(2, Wait::For(MOMENT)) {
                    for index in 0..batch.len() {
                        Self::got(
                            &batch[index],
                            batch.metadata(index).map_or(0, |metadata| metadata.redelivered),
                        )?;
                    }
                }
                self.receive(&consumer)?;
            }
            Ok(())
        }

        fn claims(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            drop(in_time(producer.try_claim())?);
            let message = self.next();
            if let Some(claim) = in_time(producer.claim_with(&message, Wait::No))? {
                claim.publish()?;
                say(&format!("sent {}", message.number));
            }
            self.receive(&consumer)?;
            // Full, and then empty.
            while self.send_now(&producer)? {}
            loop {
                match consumer.try_recv() {
                    Ok(message) => Self::got(&message, message.metadata().redelivered)?,
                    Err(Error::Empty) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            // More than there are slots: the producer steps over those that it gave up.
            for _ in 0..6 {
                drop(in_time(producer.try_claim())?);
            }
            Ok(())
        }

        fn send_now(&mut self, producer: &Producer<Numbered>) -> Result<bool, Error> {
            let message = self.next();
            match producer.try_send(&message) {
                Ok(_) => say(&format!("sent {}", message.number)),
                Err(Error::Full) => {
                    self.sent -= 1;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
            Ok(true)
        }

        fn returned(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            self.send(&producer)?;
            self.send(&producer)?;
            let raw = consumer.as_raw();
            Self::ask_with_room_for_nothing(raw)?;
            if let Some(claim) = in_time(raw.claim(2, 2, Wait::For(MOMENT)))? {
                raw.give_back(claim);
            }
            Self::ask_with_room_for_nothing(raw)?;
            self.receive(&consumer)?;
            self.receive(&consumer)?;
            self.send(&producer)?;
            if let Some(Fitting::Claimed(claim)) = in_time(raw.claim_fitting(usize::MAX, Wait::For(MOMENT)))? {
                raw.give_back(claim);
            }
            self.receive(&consumer)
        }

        /// Comes to the next message, and leaves it.
        fn ask_with_room_for_nothing(raw: &raw::Consumer) -> Outcome {
            match in_time(raw.claim_fitting(0, Wait::For(MOMENT)))? {
                Some(Fitting::Claimed(_)) => Err("a message fits into nothing".into()),
                Some(Fitting::TooLong(_)) | None => Ok(()),
            }
        }

        /// Sleeps on both sides for longer than a tick.
        fn sleep(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            while self.send_now(&producer)? {}
            let message = self.next();
            if in_time(producer.send_timeout(&message, MOMENT))?.is_some() {
                say(&format!("sent {}", message.number));
            }
            loop {
                match consumer.recv_timeout(MOMENT) {
                    Ok(message) => Self::got(&message, message.metadata().redelivered)?,
                    Err(Error::Timeout) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
        }

        /// As `sleep`, in a set: first of both sides, then of consumers alone.
        fn set(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            let mut set = WaitSet::new();
            set.add(&producer, 0)?;
            set.add(&consumer, 1)?;
            while self.send_now(&producer)? {}
            while set.wait(Wait::For(MOMENT))?.contains(&1) {
                set.remove(0);
                while let Some(message) = in_time(consumer.recv_timeout(Duration::ZERO))? {
                    Self::got(&message, message.metadata().redelivered)?;
                }
            }
            Ok(())
        }

        /// One thread sleeps, another wakes it, in both directions.
        fn wake(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            let reader = std::thread::spawn(move || {
                for _ in 0..12 {
                    if let Ok(message) = consumer.recv_timeout(MOMENT) {
                        let _ = Self::got(&message, message.metadata().redelivered);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
            });
            for burst in 0..2 {
                std::thread::sleep(Duration::from_millis(4));
                for _ in 0..6 - burst {
                    self.send(&producer)?;
                }
            }
            reader.join().map_err(|_| "the reader panicked")?;
            Ok(())
        }

        /// Futures of one thread that sleep and are woken by what the other sends, some of them dropped before, and futures that sleep
        /// for room and are woken by what it receives.
        fn futures(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            let (mut producer, mut consumer) = (producer.into_async(), consumer.into_async());
            let reader = std::thread::spawn(move || {
                for turn in 0..8 {
                    let bound = if turn % 3 == 1 {
                        Duration::from_millis(1)
                    } else {
                        MOMENT
                    };
                    if let Some(Ok(message)) = block_on(bound, consumer.recv_ref()) {
                        let _ = Self::got(&message, message.metadata().redelivered);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
            });
            for burst in 0..2 {
                std::thread::sleep(Duration::from_millis(4));
                for _ in 0..6 - burst {
                    let message = self.next();
                    if let Some(sent) = block_on(MOMENT, producer.send(&message)) {
                        sent?;
                        say(&format!("sent {}", message.number));
                    }
                }
            }
            let message = self.next();
            if let Some(claim) = block_on(MOMENT, producer.claim_with(&message)) {
                claim?.publish()?;
                say(&format!("sent {}", message.number));
            }
            reader.join().map_err(|_| "the reader panicked")?;
            Ok(())
        }

        /// A set of consumers of three channels of different kinds, which sleeps and is woken by another thread.
        fn many(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            let twofold = Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name("twofold of many")
                .with_capacity(2)
                .with_priorities(true);
            let pose = self.delivered("pose of many", Delivery::Latest, false);
            let (urgent, shown) = (twofold.build_consumer()?, pose.build_consumer()?);
            let (urging, showing) = (twofold.build_producer()?, pose.build_producer()?);
            let reader = std::thread::spawn(move || -> Result<(), Error> {
                let mut set = WaitSet::new();
                set.add(&consumer, 0)?;
                set.add(&urgent, 1)?;
                set.add(&shown, 2)?;
                loop {
                    let ready = set.wait(Wait::For(MOMENT))?;
                    // After a sleep of some ticks.
                    if ready.is_empty() {
                        return Ok(());
                    }
                    for token in ready {
                        match token {
                            0 => {
                                if let Some(message) = in_time(consumer.try_recv())? {
                                    let _ = Self::got(&message, message.metadata().redelivered);
                                }
                            }
                            1 => drop(in_time(urgent.try_recv())?),
                            _ => drop(in_time(shown.try_recv())?),
                        }
                    }
                }
            });
            for number in 0..3 {
                std::thread::sleep(Duration::from_millis(4));
                self.send(&producer)?;
                std::thread::sleep(Duration::from_millis(4));
                in_time(urging.high()?.try_send(&Numbered::new(0, number)))?;
                std::thread::sleep(Duration::from_millis(4));
                in_time(showing.try_send(&Numbered::new(0, number)))?;
            }
            reader.join().map_err(|_| "the reader panicked")??;
            Ok(())
        }

        fn close(&mut self) -> Outcome {
            let own = Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name("own")
                .with_capacity(2);
            let (producer, consumer) = (own.build_producer()?, own.build_consumer()?);
            producer.send(&Numbered::new(0, 0))?;
            producer.close()?;
            drop(consumer.recv()?);
            if !matches!(consumer.recv(), Err(Error::Closed)) {
                return Err("the stream has not ended".into());
            }
            drop(own.build_producer()?);
            Ok(())
        }

        /// Handles that go while claims of theirs were forgotten.
        fn leak(&mut self) -> Outcome {
            let producer = self.builder().build_producer()?;
            self.send(&producer)?;
            for _ in 0..2 {
                let consumer = self.builder().build_consumer()?;
                if let Some(message) = in_time(consumer.recv_timeout(MOMENT))? {
                    Self::got(&message, message.metadata().redelivered)?;
                    std::mem::forget(message);
                }
            }
            if let Some(claim) = in_time(producer.try_claim())? {
                std::mem::forget(claim);
            }
            Ok(())
        }

        /// Messages that go to the dead letters, and one for which there is no room.
        fn letters(&mut self) -> Outcome {
            let doomed = Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name("doomed")
                .with_capacity(2)
                .with_redelivery_limit(0)
                .with_dead_letters("graves");
            let (producer, consumer) = (doomed.build_producer()?, doomed.build_consumer()?);
            for number in 0..3 {
                producer.send_timeout(&Numbered::new(0, number), MOMENT)?;
                if let Ok(message) = consumer.recv_timeout(MOMENT) {
                    message.give_back();
                }
                let _ = consumer.try_recv();
            }
            Ok(())
        }

        fn tables(&mut self) -> Outcome {
            let region = self.region.clone();
            let extra = |id| {
                ChannelBuilder::new()
                    .with_region(&region)
                    .with_channel_id(id)
                    .with_capacity(16)
            };
            // Hidden from v1 programs, and large enough that whole pages are given back.
            let compact = extra(7).with_payload_capacity(960);
            let compact = compact.with_dead_letters("extra letters");
            let producer = compact.build_producer()?;
            // Made anew by whoever asks for it.
            let letters = self.region.channel_named("extra letters")?.id;
            self.region.remove_channel(letters, true)?;
            drop(compact.build_producer()?);
            let claim = producer.try_claim(1)?;
            let _ = self.region.channels()?;
            let full = self.builder().build_producer()?;
            while self.send_now(&full)? {}
            let _ = self.region.blockages()?;
            drop(full);
            drop(claim);
            drop(producer);
            self.region.remove_channel(7, false)?;
            let held = extra(8).build_consumer()?;
            self.region.remove_channel(8, true)?;
            if !matches!(held.try_recv(), Err(Error::Removed)) {
                return Err("the channel was removed".into());
            }
            drop(held);
            let both = extra(9).with_priorities(true).build_producer()?;
            self.region.remove_channel(9, true)?;
            if !matches!(both.high()?.try_send("x"), Err(Error::Removed)) {
                return Err("the channel was removed".into());
            }
            drop(both);
            // Made without the lock.
            let large = self
                .delivered("large packed", Delivery::Broadcast, true)
                .with_capacity(1 << 17);
            let large = large.build_producer()?.channel_id();
            self.region.remove_channel(large, true)?;
            // Three rings of 4 MiB, and room for two.
            let excessive = ChannelBuilder::new().with_region(&region).with_channel_id(10);
            let excessive = excessive.with_payload_capacity(960).with_capacity(4_096);
            let excessive = excessive.with_priorities(true).with_dead_letters("no letters");
            if !matches!(excessive.build_producer(), Err(Error::RegionFull { .. })) {
                return Err("there is no room for it".into());
            }
            let _ = self.region.info();
            Ok(())
        }

        /// Messages that are too old when they are received, or received again.
        fn expire(&mut self) -> Outcome {
            let fleeting = Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name("fleeting")
                .with_capacity(4)
                .with_expiry(Duration::from_millis(3));
            let (producer, consumer) = (fleeting.build_producer()?, fleeting.build_consumer()?);
            for round in 0..2 {
                let messages = [0, 1, 2].map(|number| Numbered::new(round, number));
                producer.send_batch(&messages, Wait::For(MOMENT))?;
                if let Some(message) = in_time(consumer.try_recv())? {
                    message.give_back();
                }
                std::thread::sleep(Duration::from_millis(5));
                producer.send_timeout(&Numbered::new(round, 3), MOMENT)?;
                if let Some(batch) = in_time(consumer.recv_up_to(4, Wait::No))? {
                    batch
                        .iter()
                        .for_each(|message| say(&format!("had {} {}", message.producer, message.number)));
                }
            }
            Ok(())
        }

        /// Both rings of a channel: sent to, received from, waited on, closed.
        fn urgent(&mut self) -> Outcome {
            let twofold = Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name("twofold")
                .with_capacity(2)
                .with_priorities(true);
            let (producer, consumer) = (twofold.build_producer()?, twofold.build_consumer()?);
            for number in 0..2 {
                for (urgent, producer) in [&producer, producer.high()?].into_iter().enumerate() {
                    producer.send_timeout(&Numbered::new(urgent as u64, number), MOMENT)?;
                    say(&format!("put {urgent} {number}"));
                }
            }
            loop {
                match consumer.recv_up_to(2, Wait::For(MOMENT)) {
                    Ok(batch) => {
                        batch
                            .iter()
                            .for_each(|message| say(&format!("had {} {}", message.producer, message.number)));
                    }
                    Err(Error::Timeout) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            producer.high()?.close()?;
            if !matches!(consumer.recv(), Err(Error::Closed)) {
                return Err("the stream has not ended".into());
            }
            Ok(())
        }

        /// Comes upon what the dead left, by receiving.
        fn sweep(&mut self) -> Outcome {
            let consumer = self.builder().build_consumer()?;
            for _ in 0..3 {
                self.receive(&consumer)?;
            }
            Ok(())
        }

        fn delivered(&self, name: &str, delivery: Delivery, single: bool) -> ChannelBuilder<Numbered> {
            Channel::<Numbered>::builder()
                .with_region(&self.region)
                .with_name(name)
                .with_capacity(8)
                .with_delivery(delivery)
                .with_single_producer(single)
                .with_packed_slots(name.ends_with("packed"))
        }

        /// On a broadcast channel of one producer at a time and on one of many: a message, a batch, a claim that is dropped and one
        /// that is published, under the eyes of reliable subscribers, here and elsewhere. `told CHANNEL N` once N are sent.
        fn broadcast(&mut self) -> Outcome {
            for (name, single) in [("solo", true), ("news", false), ("packed", true)] {
                let channel = self.delivered(name, Delivery::Broadcast, single);
                let subscriber = channel.build_consumer()?;
                if !matches!(subscriber.try_recv(), Err(Error::Empty)) {
                    return Err("there is nothing new yet".into());
                }
                let producer = channel.build_producer()?;
                if single && !matches!(channel.build_producer(), Err(Error::ChannelInUse { .. })) {
                    return Err("a second producer".into());
                }
                let message = |number| Numbered::new(self.incarnation, number);
                producer.send_timeout(&message(0), MOMENT)?;
                say(&format!("told {name} 1"));
                producer.send_batch(&[message(1), message(2)], Wait::For(MOMENT))?;
                say(&format!("told {name} 3"));
                drop(producer.try_claim()?);
                producer.claim_with(&message(3), Wait::For(MOMENT))?.publish()?;
                say(&format!("told {name} 4"));
                let held = subscriber.recv()?;
                if subscriber.recv_up_to(2, Wait::No)?.len() != 2 || !held.is_whole() {
                    return Err("two of a batch".into());
                }
                let _ = (producer.len(), subscriber.len());
                drop(held);
                // One that sleeps for space, and is told of it; the others read nothing yet.
                while producer.send_timeout(&message(4), MOMENT).is_err() {
                    drop(subscriber.try_recv());
                }
                say(&format!("told {name} 5"));
                std::mem::forget(producer.try_claim());
            }
            Ok(())
        }

        /// Takes the place of a dead producer, and comes upon what dead ones of many left, by waiting for what comes behind it.
        fn heir(&mut self) -> Outcome {
            for (name, single) in [("solo", true), ("news", false)] {
                let channel = self.delivered(name, Delivery::Broadcast, single);
                let subscriber = channel.build_consumer()?;
                let producer = channel.build_producer()?;
                producer.send_timeout(&Numbered::new(self.incarnation, 0), MOMENT)?;
                say(&format!("told {name} 1"));
                drop(subscriber.recv_timeout(MOMENT)?);
            }
            Ok(())
        }

        /// A lossy subscriber that is overrun, and streams that end.
        fn overrun(&mut self) -> Outcome {
            for (name, single) in [("loose solo", true), ("loose news", false), ("loose packed", true)] {
                // So many that a cursor is not shown after each message.
                let channel = self
                    .delivered(name, Delivery::Broadcast, single)
                    .with_capacity(32)
                    .with_lossy_subscribers(true);
                let producer = channel.build_producer()?;
                let lossy = channel
                    .clone()
                    .with_subscription(Subscription::Lossy)
                    .build_consumer()?;
                let reliable = channel.build_consumer()?;
                for number in 0..80 {
                    producer.send_timeout(&Numbered::new(0, number), MOMENT)?;
                    drop(reliable.try_recv()?);
                }
                for number in 0..3 {
                    let message = lossy.try_recv()?;
                    if !message.is_whole() || (number == 0) != (message.metadata().missed > 0) {
                        return Err("an overrun subscriber".into());
                    }
                }
                // Full, as no consumer reads any more.
                while producer.try_send(&Numbered::new(0, 0)).is_ok() {}
                producer.close()?;
                while lossy.recv_or_end()?.is_some() {}
                while reliable.recv_or_end()?.is_some() {}
            }
            Ok(())
        }

        fn latest(&mut self) -> Outcome {
            for (name, single) in [("pose of one", true), ("pose of many", false)] {
                let channel = self.delivered(name, Delivery::Latest, single);
                let producer = channel.build_producer()?;
                let reader = channel.build_consumer()?;
                for number in 0..10 {
                    producer.send_batch(&[Numbered::new(0, number), Numbered::new(0, number)], Wait::No)?;
                }
                let number = reader.try_recv()?.number;
                if number != 9 || reader.newest()?.number != 9 {
                    return Err("not the newest".into());
                }
                if !matches!(reader.recv_copy(Wait::No), Err(Error::Empty)) {
                    return Err("a value that was seen".into());
                }
                producer.send(&Numbered::new(0, 10))?;
                if reader.recv_copy(Wait::No)?.number != 10 {
                    return Err("not the newest copy".into());
                }
                // More claims that are given up than there are slots: the value stays.
                for _ in 0..producer.capacity() + 3 {
                    drop(producer.try_claim()?);
                }
                if reader.newest()?.number != 10 {
                    return Err("the value is gone".into());
                }
                producer.close()?;
                if !matches!(reader.recv(), Err(Error::Closed)) {
                    return Err("the stream has not ended".into());
                }
            }
            // Bytes that end within a word.
            let odd = ChannelBuilder::new()
                .with_region(&self.region)
                .with_name("odd")
                .with_delivery(Delivery::Latest);
            odd.build_producer()?.send([7; 13])?;
            if odd.build_consumer()?.receive()? != Some(vec![7; 13]) {
                return Err("other bytes".into());
            }
            Ok(())
        }

        /// Opens handles while somebody else has the management lock for a moment, and rings for nobody afterwards.
        fn line(&mut self) -> Outcome {
            for _ in 0..2 {
                let path = dmxp_tests::lock_file(self.region.path());
                let file = File::options().read(true).write(true).open(path)?;
                let mut byte = libc::flock {
                    l_type: libc::F_WRLCK as i16,
                    l_whence: libc::SEEK_SET as i16,
                    l_start: 1 << 62,
                    l_len: 1,
                    l_pid: 0,
                };
                // SAFETY: the kernel reads and writes the range only.
                let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut byte) };
                let holder = std::thread::spawn(move || {
                    std::thread::sleep(MOMENT / 3);
                    drop(file);
                });
                let (producer, consumer) = self.ends()?;
                holder.join().map_err(|_| "sleeping does not panic")?;
                // As a rule nobody else has it.
                if taken != 0 {
                    continue;
                }
                self.send_now(&producer)?;
                self.receive(&consumer)?;
            }
            Ok(())
        }

        /// Waits while another process dies that holds a message.
        fn mourning(&mut self) -> Outcome {
            let (producer, consumer) = self.ends()?;
            self.send_now(&producer)?;
            let head = || self.region.channel_named("small").map(|channel| channel.head);
            let before = head()?;
            let peer = std::env::current_exe()?.with_file_name("peer");
            let region = self
                .region
                .path()
                .file_name()
                .ok_or("a file")?
                .to_string_lossy()
                .into_owned();
            let mut peer = PeerCommand::new(peer)
                .arg(region)
                .arg("small")
                .arg("hold-numbered")
                .spawn();
            // Unless somebody else has the message.
            let started = Instant::now();
            while head()? == before && started.elapsed() < 4 * MOMENT {
                std::thread::sleep(Duration::from_millis(1));
            }
            peer.kill();
            loop {
                match consumer.recv_timeout(MOMENT) {
                    Ok(message) => Self::got(&message, message.metadata().redelivered)?,
                    Err(Error::Timeout) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
        }

        fn recover(&mut self) -> Outcome {
            self.region.recover(RecoverOptions::new().dry_run(true))?;
            self.region.recover(RecoverOptions::new().force(true))?;
            Ok(())
        }
    }
}
