//! Text built by the compiler, for errors that carry numbers.

/// A text of bounded length that grows during const evaluation. What does not fit is cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstText {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl ConstText {
    const CAPACITY: usize = 512;

    /// The empty text.
    #[must_use]
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
    }

    /// Appends `text`.
    #[must_use]
    pub(super) const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        // All or nothing, so that no character is cut in two.
        if text.len() > Self::CAPACITY - self.len {
            return self;
        }
        let mut index = 0;
        while index < text.len() {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
        }
        self
    }

    /// Appends `number` in decimal.
    #[must_use]
    pub(super) const fn number(self, number: usize) -> Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = number;
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let (_, digits) = digits.split_at(start);
        match std::str::from_utf8(digits) {
            Ok(digits) => self.text(digits),
            Err(_) => self,
        }
    }

    /// Appends `number` in decimal, signed.
    #[must_use]
    pub(super) const fn signed(self, number: i128) -> Self {
        let text = if number < 0 { self.text("-") } else { self };
        text.number(number.unsigned_abs() as usize)
    }

    /// Appends `number` and the unit, in the plural unless it is one: `1 byte`, `2 bytes`.
    #[must_use]
    pub(super) const fn bytes(self, number: usize) -> Self {
        self.number(number).text(if number == 1 { " byte" } else { " bytes" })
    }

    /// The text.
    #[must_use]
    pub(super) const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

impl Default for ConstText {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::ConstText;

    #[test]
    fn numbers_read_as_the_standard_library_writes_them() {
        for number in [0, 7, 10, 960, 65_535, usize::MAX] {
            assert_eq!(ConstText::new().number(number).as_str(), number.to_string());
        }
        assert_eq!(
            ConstText::new().signed(i128::from(i64::MIN)).as_str(),
            i64::MIN.to_string()
        );
        assert_eq!(
            ConstText::new().bytes(1).text(", ").bytes(2).as_str(),
            "1 byte, 2 bytes"
        );
    }

    #[test]
    fn text_that_does_not_fit_is_left_out_whole() {
        let full = ConstText::new().text(&"x".repeat(ConstText::CAPACITY - 1));
        assert_eq!(full.text("é").as_str().len(), ConstText::CAPACITY - 1);
    }
}
