//! Sessions and damage: both ends of a channel are opened and called, and it is that channel's words that are damaged, mostly by words of
//! their kind.

use crate::base::{BASE, CHANNELS, HANDLES, PACKED};
use fastrand::Rng;

/// An input for `region`.
#[must_use]
pub fn region(seed: u64) -> Vec<u8> {
    let mut draw = Draw::new(seed);
    let count = draw.one_of(&[0, 1, 1, 2, 3, 4, 8, 15]);
    let mut input = vec![count];
    for _ in 0..count {
        input.extend(draw.damage());
    }
    // A length of its own, now and then.
    match draw.below(12) {
        0 => input.extend([1, draw.below(4), draw.any()]),
        _ => input.push(0),
    }
    input.extend(draw.session().concat());
    input
}

/// An input for `live`.
#[must_use]
pub fn live(seed: u64) -> Vec<u8> {
    let mut draw = Draw::new(seed);
    let often = draw.one_of(&[10, 30, 60]);
    let mut input = Vec::new();
    for step in draw.session() {
        while draw.below(100) < often {
            input.push(255);
            input.extend(draw.damage());
        }
        input.push(0);
        input.extend(step);
    }
    input
}

/// An input for `region_raw`.
#[must_use]
pub fn region_raw(seed: u64) -> Vec<u8> {
    let mut draw = Draw::new(seed);
    let mut pieces = whole_channel(CHANNELS[usize::from(draw.channel)]);
    for _ in 0..draw.one_of(&[0, 1, 1, 2, 3]) {
        let piece = draw.random.usize(..pieces.len());
        draw.change(&mut pieces[piece].1);
    }
    [written(&pieces), draw.session().concat()].concat()
}

/// What is drawn from, and what the session is about.
struct Draw {
    random: Rng,
    /// An index into [`CHANNELS`].
    channel: u8,
    typed: bool,
    /// A position that several words name: it takes two to disagree about one.
    position: u8,
    /// The first free handle: what the session opens gets it, and those behind it.
    free: u8,
}

impl Draw {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let channel = random.u8(..CHANNELS.len() as u8);
        let own = matches!(CHANNELS[usize::from(channel)], 1 | 7 | 14);
        let typed = random.u8(..4) < if own { 3 } else { 2 };
        let position = random.u8(..12);
        let free = (0..HANDLES).find(|&index| BASE.number(BASE.handle(index)) & 3 == 0);
        let free = free.unwrap_or_default() as u8;
        Self {
            random,
            channel,
            typed,
            position,
            free,
        }
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.random.u8(..bound)
    }

    fn any(&mut self) -> u8 {
        self.random.u8(..)
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.usize(..choices.len())]
    }

    /// The channel, or now and then another.
    fn some_channel(&mut self) -> u8 {
        if self.below(8) == 0 {
            self.below(CHANNELS.len() as u8)
        } else {
            self.channel
        }
    }

    /// One of the base's handles, or of the session's.
    fn handle(&mut self) -> u8 {
        match self.below(3) {
            0 => self.free + self.below(4),
            _ => self.below(HANDLES as u8),
        }
    }

    fn is_packed(&self) -> bool {
        PACKED.contains(&CHANNELS[usize::from(self.channel)])
    }

    /// The bytes of a change that [`Damage`](crate::damage::Damage) reads.
    fn damage(&mut self) -> Vec<u8> {
        if self.is_packed() && self.below(3) > 0 {
            return [self.packed_word(), self.near()].concat();
        }
        let place = self.place();
        let value = match (place[0], self.below(10)) {
            (7, 0..6) => self.cell(),
            (8 | 9, 0..5) => self.mark(),
            (5 | 6, 0..3) => self.state(),
            _ => self.value(),
        };
        [place, value].concat()
    }

    fn place(&mut self) -> Vec<u8> {
        let structure = self.one_of(&[
            0, 1, 1, 2, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 11, 12,
        ]);
        let (channel, field) = (self.some_channel(), self.any());
        match structure {
            0 | 2 => vec![structure, field],
            1 | 3 | 4 => vec![structure, channel, field],
            5 => vec![structure, self.below(4), field],
            6 => vec![structure, self.handle(), field],
            7 => vec![structure, self.handle(), self.one_of(&[0, 0, 1, field % 8])],
            // The sequence, mostly.
            8 | 9 => vec![structure, channel, self.below(8), self.one_of(&[0, 0, field])],
            10 => vec![structure, channel, self.below(8), self.below(64), 0],
            11 => vec![structure, channel, field, self.below(6)],
            _ => [&[structure], &self.random.u32(..BASE.len() as u32).to_le_bytes()[..]].concat(),
        }
    }

    /// A word that packed slots rest on: the tail, the limits, the joins, the flags and slots in the record; a cursor, a count, a
    /// subscription, a role, a channel's generation in a handle.
    fn packed_word(&mut self) -> Vec<u8> {
        let (channel, handle) = (self.channel, self.handle());
        let (structure, name, offset) = self.one_of(&[
            (1, "ChannelEntry", 128),
            (1, "ChannelEntry", 128),
            (3, "ChannelRecord", 320),
            (3, "ChannelRecord", 328),
            (3, "ChannelRecord", 336),
            (3, "ChannelRecord", 16),
            (3, "ChannelRecord", 20),
            (3, "ChannelRecord", 24),
            (3, "ChannelRecord", 32),
            (6, "HandleRecord", 192),
            (6, "HandleRecord", 192),
            (6, "HandleRecord", 128),
            (6, "HandleRecord", 200),
            (6, "HandleRecord", 32),
            (6, "HandleRecord", 0),
        ]);
        let fields = BASE.fields(name);
        let field = fields.iter().position(|&field| field == offset);
        let field = field.expect("a field of docs/MEMORY_LAYOUT.md") as u8;
        vec![structure, if structure == 6 { handle } else { channel }, field]
    }

    /// A value some messages or laps from the one that is there, or a small one, or the extremes.
    fn near(&mut self) -> Vec<u8> {
        let any = self.any();
        match self.below(8) {
            0 => self.state(),
            1 => vec![4, self.below(9), self.below(2)],
            2 => self.value(),
            _ => vec![
                5,
                self.one_of(&[1, 2, 4, 8, 9, 16, 255, 254, 252, 248, 240, any]),
                self.below(2),
            ],
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let kind = self.one_of(&[0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 7, 8, 9]);
        match kind {
            0 => [&[kind], &self.random.u64(..).to_le_bytes()[..]].concat(),
            1 => [&[kind], &self.random.u32(..).to_le_bytes()[..]].concat(),
            2 | 3 => vec![kind, self.small()],
            4 => vec![kind, self.below(9), self.below(2)],
            5 => {
                let any = self.any();
                vec![kind, self.one_of(&[1, 2, 4, 8, 255, 254, 252, 248, any]), self.below(2)]
            }
            6 => self.mark(),
            7 => self.cell(),
            8 => self.state(),
            _ => [vec![kind], self.place(), vec![self.below(2)]].concat(),
        }
    }

    fn mark(&mut self) -> Vec<u8> {
        let any = self.any();
        let times = self.one_of(&[0, 0, 1, 2, 3, 12, 15, any % 16]);
        let handle = if self.below(6) == 0 { any } else { self.handle() };
        [vec![6, self.below(8), times, handle], self.position()].concat()
    }

    fn cell(&mut self) -> Vec<u8> {
        [vec![7, self.below(4), self.below(2), self.below(8)], self.position()].concat()
    }

    fn state(&mut self) -> Vec<u8> {
        vec![8, self.small(), self.below(4)]
    }

    fn position(&mut self) -> Vec<u8> {
        match self.below(12) {
            0 => [&[255], &self.random.u64(..).to_le_bytes()[..]].concat(),
            1..6 => vec![self.below(24)],
            _ => vec![self.position],
        }
    }

    fn small(&mut self) -> u8 {
        let any = self.any();
        match self.below(10) {
            0 => any,
            1 => any % 32,
            _ => any % 16,
        }
    }

    /// Changes a byte, a number or a word.
    fn change(&mut self, bytes: &mut [u8]) {
        let width = self.one_of(&[1, 4, 8]);
        let at = self.random.usize(..bytes.len()) / width * width;
        let field = at..bytes.len().min(at + width);
        let mut word = [0; 8];
        word[..field.len()].copy_from_slice(&bytes[field.clone()]);
        let (before, any) = (u64::from_le_bytes(word), self.random.u64(..));
        let low = any & 0x0F0F_0000_0000_000F;
        let value = match self.below(12) {
            0..4 => before.wrapping_add_signed(self.one_of(&[1, -1, 4, -4, 8, 16, -8, 64])),
            4..7 => u64::from(self.below(4)),
            7 => any,
            8 => u64::MAX,
            // As the words of slots and claims are put together.
            9 => 1 << 63 | low | u64::from(self.below(HANDLES as u8)) << 42,
            10 => any & 7 << 61 | u64::from(self.one_of(&[1_u8, 2, 4, 8])) << 46 | any & 15,
            _ => any & 255,
        };
        bytes[field.clone()].copy_from_slice(&value.to_le_bytes()[..field.len()]);
    }

    /// Steps that [`Session`](crate::session::Session) reads.
    fn session(&mut self) -> Vec<Vec<u8>> {
        let mut steps = self.opening().to_vec();
        if self.below(4) == 0 {
            steps.extend(self.opening());
        }
        // A session of few kinds of calls has them often, in every order.
        let kinds = self.one_of(&[2, 3, 6, 12]);
        let packed = self.is_packed();
        let calls: Vec<(u8, u8)> = (0..kinds)
            .map(|_| {
                if packed && self.below(2) == 0 {
                    // The calls for stretches.
                    (13 + self.below(2), 14 + self.below(3))
                } else {
                    (self.below(15), self.below(17))
                }
            })
            .collect();
        for _ in 0..self.one_of(&[4, 8, 16, 24, 40]) {
            let (send, receive) = self.one_of(&calls);
            let channel = self.channel;
            match self.below(20) {
                0..8 => steps.push(self.call(6, send)),
                8..16 => steps.push(self.call(11, receive)),
                16 => steps.push(vec![18, channel, self.one_of(&[0, 0, 1, 2, 3])]),
                17 => {
                    let looks: [&[u8]; 3] = [&[17], &[22, channel], &[23, channel]];
                    steps.push(self.one_of(&looks).to_vec());
                }
                18 => {
                    let number = self.below(4);
                    let ends: [&[u8]; 3] = [&[16, number], &[20, channel, number], &[21, channel, number]];
                    steps.push(self.one_of(&ends).to_vec());
                }
                _ => steps.extend(self.opening()),
            }
        }
        steps
    }

    /// A producer and a consumer, in either order, mostly without options.
    fn opening(&mut self) -> [Vec<u8>; 2] {
        let channel = self.some_channel();
        // By id, and mostly made if it is not there.
        let flags = 4 << 3 | self.one_of(&[4, 4, 4, 4, 4, 0]) | self.one_of(&[0, 0, 0, 64]) | u8::from(self.typed);
        let mut ends = [flags, flags | 2].map(|flags| {
            let option = self.below(45);
            vec![0, flags, channel, if option < 15 { option } else { 0 }]
        });
        if self.random.bool() {
            ends.reverse();
        }
        ends
    }

    /// A call by its number, on an end mostly the first, with as many bytes of arguments as it reads.
    fn call(&mut self, step: u8, number: u8) -> Vec<u8> {
        let end = self.one_of(&[0, 0, 0, 0, 0, 0, 0, 1]);
        let mut bytes = vec![step, end, number];
        for _ in 0..arguments(step, self.typed)[usize::from(number)] {
            let any = self.any();
            bytes.push(self.one_of(&[0, 1, 2, 3, 3, 7, any]));
        }
        bytes
    }
}

/// How many bytes of arguments each call of a step reads: 6 sends, 11 receives.
fn arguments(step: u8, typed: bool) -> [usize; 17] {
    match (step, typed) {
        (6, false) => [40, 40, 0, 1, 1, 1, 3, 0, 0, 0, 1, 0, 0, 3, 0, 0, 0],
        (6, true) => [1, 1, 0, 1, 1, 1, 3, 0, 0, 0, 1, 0, 0, 3, 2, 0, 0],
        (_, false) => [0, 1, 0, 3, 3, 0, 1, 0, 1, 0, 4, 3, 0, 3, 3, 2, 0],
        (_, true) => [0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 4, 3, 0, 3, 3, 2, 0],
    }
}

/// One of the base's channels: the header and the tables' heads, the channel's records, handles and first slots, and its schema, each with
/// its offset.
fn whole_channel(channel: u32) -> Vec<(u64, Vec<u8>)> {
    let record = BASE.record(channel);
    let (schema, schema_len) = (BASE.schema(channel), u64::from(BASE.number(record + 64)));
    let mut pieces = vec![
        (0, 80),
        (128 + 384 * u64::from(channel), 96),
        (BASE.control(), 80),
        (BASE.process(0), 32),
    ];
    // The fields, and those of priorities.
    pieces.extend([(record, 255), (record + 256, 80)]);
    let handles = (0..HANDLES).map(|index| BASE.handle(index));
    let own = handles.filter(|&handle| BASE.number(handle) != 0 && BASE.number(handle + 24) == channel);
    pieces.extend(own.map(|handle| (handle, 204)).take(4));
    pieces.extend((0..BASE.word(record + 32).min(4)).map(|slot| (BASE.slot(channel, slot), 112)));
    pieces.extend((0..schema_len.min(1_530)).step_by(255).map(|from| (schema + from, 255)));
    let piece = |(offset, len)| (offset, BASE.bytes[offset as usize..][..len].to_vec());
    pieces.into_iter().map(piece).collect()
}

/// A file of the base's length with these pieces, as [`region_raw`](crate::region_raw) reads it. Steps may follow.
fn written(pieces: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let pages = u16::try_from(BASE.len() / 4_096).expect("a small base");
    let mut input = vec![1];
    input.extend(pages.to_le_bytes());
    input.extend([0, pieces.len() as u8]);
    for (offset, bytes) in pieces {
        input.extend((*offset as u32).to_le_bytes());
        input.push(bytes.len() as u8);
        input.extend(bytes);
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;
    use crate::scratch::Scratch;
    use crate::session::Session;

    /// Otherwise what follows in a session would be read as something else than was drawn.
    #[test]
    fn a_call_reads_the_arguments_that_are_drawn_for_it() {
        for (typed, step, number) in [false, true].into_iter().flat_map(|typed| {
            (0..15)
                .map(move |number| (typed, 6, number))
                .chain((0..17).map(move |number| (typed, 11, number)))
        }) {
            let scratch = Scratch::new(&BASE.bytes);
            let mut session = Session::new(&scratch);
            let channel = u8::from(typed);
            let ends = [4 << 3 | 4 | channel, 4 << 3 | 4 | 2 | channel].map(|flags| vec![0, flags, channel, 0]);
            let sent = [vec![6, 0, 0], vec![1; arguments(6, typed)[0]]].concat();
            // The region, both ends, and claims for what needs one.
            let before = [
                vec![21],
                ends.concat(),
                sent,
                vec![6, 0, 6, 1, 1, 0],
                vec![11, 0, 11, 1, 1, 0],
            ]
            .concat();
            let mut input = Input::new(&before);
            while !input.is_empty() {
                session.step(&mut input);
            }
            let call = [
                vec![step, 0, number],
                vec![0; arguments(step, typed)[usize::from(number)]],
                vec![1],
            ]
            .concat();
            let mut input = Input::new(&call);
            session.step(&mut input);
            assert_eq!(input.rest(), [1], "step {step}, call {number}, typed {typed}");
        }
    }
}
